"""Snapshots, changed snapshots, reading and differences of made rows: seconds, bytes and memory; Delta Lake beside it.

.venv/bin/python bench/data/versions.py --rows 200000
python -m pip install deltalake==1.6.6   # in another environment, to see its figures too
"""

from __future__ import annotations

import argparse
import json
import random
import resource
import shutil
import tempfile
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

_WORDS = [f"word{n}" for n in range(5000)] + [chr(0x4E00 + n) * 2 for n in range(2000)]


def made_rows(count: int, seed: int = 0) -> list[dict[str, Any]]:
    """Return instruction rows of some 500 characters, English and Chinese words mixed."""
    generator = random.Random(seed)
    return [
        {
            "id": n,
            "instruction": " ".join(generator.choices(_WORDS, k=20)),
            "output": " ".join(generator.choices(_WORDS, k=50)),
            "label": generator.choice(["pos", "neg"]),
        }
        for n in range(count)
    ]


def changes_of(rows: list[dict[str, Any]]) -> dict[str, list[dict[str, Any]]]:
    """Return what usually happens to a data set: a row in front, 1 % removed, one field of 100 rows mended."""
    mended = [{**row, "label": "mended"} if row["id"] in range(5000, 5100) else row for row in rows]
    return {
        "one row in front": [{**rows[0], "id": -1}, *rows],
        "100 rows mended": mended,
        "1 % removed": [row for row in rows if row["id"] % 100],
        "nothing changed": rows,
    }


def measured(work: Callable[[], Any]) -> tuple[float, Any]:
    """Return seconds and result."""
    start = time.perf_counter()
    result = work()
    return time.perf_counter() - start, result


def folder_bytes(folder: Path) -> int:
    """Return the size of all files below a folder."""
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


def with_luthier(folder: Path, rows: list[dict[str, Any]]) -> dict[str, Any]:
    """Store, change, read and compare with Luthier."""
    from luthier.data.versions.diff import compare
    from luthier.data.versions.read import StoredVersion
    from luthier.data.versions.snapshot import Snapshot
    from luthier.data.versions.store import Store
    from luthier.data.versions.writer import SourceFile

    store = Store(str(folder))

    def take(some: Iterable[Any]) -> None:
        file = SourceFile(Path("rows.jsonl"), enumerate(some, start=1))
        Snapshot().take(store.make_dataset("rows"), [file])

    def version(ref: str) -> StoredVersion:
        dataset = store.dataset("rows")
        return StoredVersion(dataset, dataset.resolve(ref))

    facts: dict[str, Any] = {
        "snapshot": {"seconds": measured(lambda: take(rows))[0], "bytes": folder_bytes(folder)}
    }
    for name, changed in changes_of(rows).items():
        before = folder_bytes(folder)
        seconds, _ = measured(lambda changed=changed: take(changed))
        facts[name] = {"seconds": seconds, "bytes": folder_bytes(folder) - before}
    facts["read rows"] = {"seconds": measured(lambda: sum(1 for _ in version("1").rows()))[0]}
    facts["read batches"] = {"seconds": measured(lambda: sum(b.num_rows for b in version("1").batches()))[0]}
    seconds, difference = measured(lambda: compare(version("2"), version("3")))
    facts["diff"] = {"seconds": seconds, "added": difference.added, "changed": difference.changed}
    return facts


def with_delta_lake(folder: Path, rows: list[dict[str, Any]]) -> dict[str, Any] | None:
    """Store, change and read with Delta Lake; None where it is not installed."""
    try:
        from deltalake import DeltaTable, write_deltalake
    except ModuleNotFoundError:
        return None
    import pyarrow

    def take(some: list[dict[str, Any]]) -> None:
        write_deltalake(str(folder), pyarrow.Table.from_pylist(some), mode="overwrite")

    facts: dict[str, Any] = {
        "snapshot": {"seconds": measured(lambda: take(rows))[0], "bytes": folder_bytes(folder)}
    }
    for name, changed in changes_of(rows).items():
        before = folder_bytes(folder)
        seconds, _ = measured(lambda changed=changed: take(changed))
        facts[name] = {"seconds": seconds, "bytes": folder_bytes(folder) - before}
    read = measured(lambda: DeltaTable(str(folder), version=0).to_pyarrow_table().num_rows)
    facts["read batches"] = {"seconds": read[0]}
    facts["versions after an unchanged write"] = DeltaTable(str(folder)).version() + 1
    return facts


def main() -> None:
    """Print the figures as JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=200_000)
    arguments = parser.parse_args()
    rows = made_rows(arguments.rows)
    result: dict[str, Any] = {"rows": arguments.rows, "json_bytes": sum(len(json.dumps(r)) for r in rows)}
    for name, run in {"luthier": with_luthier, "deltalake": with_delta_lake}.items():
        folder = Path(tempfile.mkdtemp())
        try:
            result[name] = run(folder / "store", rows)
        finally:
            shutil.rmtree(folder)
    result["peak_mb"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
    print(json.dumps(result, indent=1))


if __name__ == "__main__":
    main()
