"""Ten thousand damaged files: no fault but a LuthierError, and no row is lost without a word."""

import csv
import io
import json
import math
import re
import tempfile
from pathlib import Path
from random import Random

import pyarrow.parquet
import pytest

from luthier.core.errors import LuthierError
from luthier.data.clean.build import operators_of
from luthier.data.example import Rejection
from luthier.data.operators.execute import apply
from luthier.data.operators.files import open_batches, open_lines, render, write_batches
from luthier.data.read import read_source
from luthier.data.sinks import takes_json, writing
from luthier.data.sources import read_rows
from luthier.recipe.data_sections.clean import CleanSection
from luthier.recipe.source_section import Source
from tests.data.mutations import KINDS, mutated_file

_OPERATORS = operators_of(
    CleanSection.model_validate(
        {"unicode": True, "control_characters": True, "white_space": "tidy", "quality": {"min_characters": 2}}
    )
)


@pytest.fixture
def folder(tmp_path):
    """A folder in memory, where there is such a place: several files a mutation are slow on a busy disk."""
    memory = Path("/dev/shm")
    if not memory.is_dir():
        yield tmp_path
        return
    with tempfile.TemporaryDirectory(dir=memory) as name:
        yield Path(name)


@pytest.mark.parametrize(
    "seeds", [range(600), pytest.param(range(600, 10_600), marks=pytest.mark.slow)], ids=["some", "all"]
)
def test_damaged_files(folder, seeds):
    seen = {"read": 0, "refused": 0, "rows": 0, "left out": 0}
    for seed in seeds:
        random = Random(seed)
        kind, data = mutated_file(random)
        path = folder / f"in.{kind}"
        path.write_bytes(data)
        try:
            check(path, random, seen)
        except BaseException as error:
            error.add_note(f"seed {seed}, {kind}: {data[:2000]!r}")
            raise
    assert min(seen.values()) > 0.2 * len(seeds)  # both ends of the test are reached


def check(path: Path, random: Random, seen: dict[str, int]) -> None:
    """Read, convert, clean and write a file."""
    try:
        num_rows = sum(1 for _ in read_rows(path))
    except LuthierError:
        seen["refused"] += 1
        with pytest.raises(LuthierError):
            list(open_batches(path, ["**"]))
        return
    seen["read"] += 1
    seen["rows"] += num_rows
    assert num_rows == count(path)
    try:
        entries = list(read_source(Source(path=path.name), path.parent))
        assert len(entries) == num_rows
        assert all(not isinstance(entry, Rejection) or entry.reason and entry.detail for entry in entries)
    except LuthierError:
        pass
    clean(path, num_rows, random, seen)


def clean(path: Path, num_rows: int, random: Random, seen: dict[str, int]) -> None:
    """Clean a file, and find each of its rows in exactly one of the files that are written."""
    output = path.parent / "out" / f"out.{random.choice((*KINDS, 'jsonl', 'jsonl'))}"
    try:
        fields = [] if random.random() < 0.5 else ["**"]
        if random.random() < 0.5:
            tally = write_batches(apply(open_batches(path, fields), _OPERATORS), output)
        else:  # as the commands do it: lines in blocks, and rendered where the operators run
            batches, first = open_lines(path, fields)
            last = [render] if takes_json(output) else []
            tally = write_batches(apply(batches, [*first, *_OPERATORS, *last]), output)
    except LuthierError:
        assert not output.exists() or output.stat().st_mtime_ns < path.stat().st_mtime_ns
        return
    rejected = output.with_name(f"{output.name}.rejected.jsonl")
    left_out = [row for _, row in read_rows(rejected)] if rejected.exists() else []
    assert tally.rows == num_rows == tally.kept + len(left_out)
    seen["left out"] += len(left_out)
    kept = [row for _, row in read_rows(output)] if tally.kept else []
    assert len(kept) == tally.kept
    if output.suffix in (".jsonl", ".json"):
        before = {number: row for number, row in read_rows(path)}
        for row in left_out:
            assert same(row["raw"], before.pop(row["row"]))
        assert all(changed_in_strings_only(a, b) for a, b in zip(before.values(), kept, strict=True))


def count(path: Path) -> int:
    """Count the rows of a file by another way than the readers."""
    if path.suffix == ".parquet":
        return pyarrow.parquet.read_metadata(path).num_rows
    text = path.read_bytes().removeprefix(b"\xef\xbb\xbf").decode()
    if path.suffix == ".jsonl":
        return sum(bool(line.strip()) for line in text.split("\n"))
    if path.suffix == ".json":
        value = json.loads(text)
        value = value["data"] if isinstance(value, dict) else value
        return len(value)
    if path.suffix == ".txt":
        blocks = re.split(r"\n\s*?\n", text.replace("\r\n", "\n"))
        return sum(bool(block.strip()) for block in blocks)
    delimiter = "\t" if path.suffix == ".tsv" else ","
    return sum(bool(row) for row in csv.reader(io.StringIO(text, newline=""), delimiter=delimiter)) - 1


def same(one: object, other: object) -> bool:
    """Tell whether two JSON values are equal; NaN is itself."""
    return json.dumps(one, sort_keys=True, default=str) == json.dumps(other, sort_keys=True, default=str)


def changed_in_strings_only(before: object, after: object) -> bool:
    """Tell whether two rows differ in nothing but strings."""
    if isinstance(before, str) and isinstance(after, str):
        return True
    if isinstance(before, dict) and isinstance(after, dict):
        return list(before) == list(after) and all(
            changed_in_strings_only(before[k], after[k]) for k in before
        )
    if isinstance(before, list) and isinstance(after, list):
        return len(before) == len(after) and all(map(changed_in_strings_only, before, after))
    if isinstance(before, float) and math.isnan(before):
        return isinstance(after, float) and math.isnan(after)
    return type(before) is type(after) and before == after


def test_the_check_finds_a_lost_row(tmp_path, monkeypatch):
    """The fuzzer itself: a reader that loses a row is caught."""
    path = tmp_path / "in.jsonl"
    path.write_text('{"text": "aaa"}\n{"text": "bbb"}\n', encoding="utf-8")
    read_all = read_rows
    monkeypatch.setattr("tests.data.test_mutations.read_rows", lambda p: list(read_all(p))[:1])
    with pytest.raises(AssertionError):
        check(path, Random(0), {"read": 0, "refused": 0, "rows": 0, "left out": 0})


def test_writers_refuse_what_they_cannot_hold(tmp_path):
    for kind in ("csv", "txt", "parquet"):
        with pytest.raises(LuthierError), writing(tmp_path / f"o.{kind}") as write:
            write({"text": "a\n\nb", "n": [1]})
            write({"text": "b", "n": {"x": 1}})
