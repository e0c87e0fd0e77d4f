"""Reading a version: as rows, as Arrow batches of one schema, and never more than a shard at a time."""

import subprocess
import sys

import pyarrow

from luthier.data.versions.read import StoredVersion

from .conftest import take

_MEASURE = """
import resource, sys
from pathlib import Path
from luthier.data.versions.read import StoredVersion
from luthier.data.versions.snapshot import Snapshot
from luthier.data.versions.store import Store
from luthier.data.versions.writer import SourceFile

def rows(count):
    for n in range(count):
        yield n + 1, {"n": n, "text": f"{n:08}" * 250}

store = Store(sys.argv[1])
def peak():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024

for count in (20_000, 100_000):
    file = SourceFile(Path("x"), rows(count))
    version = Snapshot().take(store.make_dataset("big"), [file]).version
    assert sum(1 for _ in StoredVersion(store.dataset("big"), version).rows()) == count
    print(peak())
"""


def test_batches_have_one_schema_and_all_rows(store):
    rows = [{"n": n, "text": "x" * 900} for n in range(20_000)] + [{"n": "not a number", "more": [1]}]
    version = StoredVersion(store.make_dataset("reviews"), take(store, rows).version)
    table = pyarrow.Table.from_batches(version.batches())
    assert table.num_rows == len(version) == len(rows)
    assert set(table.column_names) == {"n", "text", "more"}
    assert table["n"][0].as_py() == "0" and table["n"][-1].as_py() == '"not a number"'
    assert len(version.manifest.shards) > 1
    assert [(field.name, field.type, field.rows) for field in version.manifest.fields] == [
        ("n", "json", 20_001),
        ("text", "string", 20_000),
        ("more", "json", 1),
    ]


def test_memory_does_not_grow_with_the_rows(tmp_path):
    """200 MB of rows are stored and read in hardly more memory than 40 MB."""
    done = subprocess.run(
        [sys.executable, "-c", _MEASURE, str(tmp_path / "store")], capture_output=True, text=True, check=True
    )
    small, large = map(int, done.stdout.split())
    assert large - small < 80, (small, large)
