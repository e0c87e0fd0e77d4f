"""The same operators on a Ray cluster: equal rows in the same order."""

import json

import pytest

from luthier.core.errors import DataError
from luthier.data.clean.build import operators_of
from luthier.data.operators import ray_execute
from luthier.data.operators.execute import apply
from luthier.data.operators.files import open_batches, open_lines, render, write_batches
from luthier.recipe.data_sections.clean import CleanSection

pytest.importorskip("ray", reason="the extra `ray` is not installed")


@pytest.fixture
def rows(tmp_path):
    path = tmp_path / "in.jsonl"
    lines = (json.dumps({"text": f" schÃ¶n  {n} 浣犲ソ " if n % 3 else "", "n": n}) for n in range(9001))
    path.write_text("\n".join(lines), encoding="utf-8")
    return path


@pytest.mark.slow
def test_a_local_cluster_makes_the_same_files(rows, tmp_path, monkeypatch):
    monkeypatch.setattr(ray_execute, "_WINDOW_BATCHES", 2)  # several windows
    operators = operators_of(
        CleanSection.model_validate({"unicode": True, "white_space": "collapse", "quality": {"min_words": 3}})
    )
    results = []
    for name, options in (("alone", {}), ("ray", {"ray_address": "local"})):
        folder = tmp_path / name
        batches, first = open_lines(rows) if options else (open_batches(rows), [])
        done = apply(batches, [*first, *operators, *([render] if options else [])], **options)
        tally = write_batches(done, folder / "out.jsonl")
        files = {path.name: path.read_bytes() for path in folder.iterdir()}
        assert sorted(files) == ["out.jsonl", "out.jsonl.changes.jsonl", "out.jsonl.rejected.jsonl"]
        results.append((tally.as_json(), files))
    assert results[0] == results[1]


def test_no_cluster_at_the_address_is_said(rows):
    with pytest.raises(DataError, match="no Ray cluster answers"):
        list(apply(open_batches(rows), [], ray_address="127.0.0.1:1"))
