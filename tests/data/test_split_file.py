"""A file becomes files: every row is in exactly one of them, and what belongs together stays together."""

import csv
import json
from functools import partial

import pytest

from luthier.core.errors import DataError
from luthier.data.duplicates.near import NearDuplicates
from luthier.data.sources import read_rows
from luthier.data.split_file import SplitOptions, split_file

CAT = "The quick brown fox number {} jumps over the lazy dog and runs away into the deep dark forest{}"


def _write(path, rows):
    path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), encoding="utf-8")
    return path


def _read(folder):
    return {path.name.split(".")[0]: [row for _, row in read_rows(path)] for path in sorted(folder.iterdir())}


def _rows(count=100):
    return [
        {"instruction": f"question {n // 2}", "output": str(n), "user": n % 10, "topic": "ab"[n % 20 == 0]}
        for n in range(count)
    ]


@pytest.mark.parametrize("kind", ["jsonl", "json", "csv", "parquet", "jsonl.gz"])
def test_a_share_is_held_out_in_the_files_own_kind(tmp_path, kind):
    from luthier.data.sinks import writing

    with writing(tmp_path / f"in.{kind}") as write:
        for row in _rows():
            write({name: str(value) for name, value in row.items()})
    counts = split_file(tmp_path / f"in.{kind}", tmp_path / "out", SplitOptions(share=0.2))
    assert counts == {"train": 80, "eval": 20, "rejected": 0}
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == [f"eval.{kind}", f"train.{kind}"]
    files = _read(tmp_path / "out")
    prompts = {name: {row["instruction"] for row in rows} for name, rows in files.items()}
    assert not prompts["train"] & prompts["eval"]
    both = sorted((row["output"] for rows in files.values() for row in rows), key=int)
    assert both == [str(n) for n in range(100)]


def test_kinds_that_are_only_read_become_json_lines(tmp_path, shared_data):
    counts = split_file(shared_data / "ner" / "wnut17_dev.conll", tmp_path / "out", SplitOptions(share=0.2))
    assert counts["train"] + counts["eval"] + counts["rejected"] == 1009
    assert {path.suffix for path in (tmp_path / "out").iterdir()} == {".jsonl"}


def test_folds_are_equal_and_disjoint(tmp_path):
    path = _write(tmp_path / "in.jsonl", _rows())
    counts = split_file(path, tmp_path / "out", SplitOptions(folds=5))
    assert counts == {**{f"fold-{n}": 20 for n in range(1, 6)}, "rejected": 0}
    prompts = [{row["instruction"] for row in rows} for rows in _read(tmp_path / "out").values()]
    assert sum(map(len, prompts)) == len(set().union(*prompts)) == 50


def test_groups_stay_together(tmp_path):
    path = _write(tmp_path / "in.jsonl", [row | {"instruction": f"q{n}"} for n, row in enumerate(_rows())])
    split_file(path, tmp_path / "out", SplitOptions(share=0.2, group_by="user"))
    users = [{row["user"] for row in rows} for rows in _read(tmp_path / "out").values()]
    assert all(users) and not users[0] & users[1]


def test_near_duplicates_stay_together(tmp_path):
    rows = [{"text": CAT.format(n * 7919, end)} for n in range(30) for end in (".", "!", " now")]
    path = _write(tmp_path / "in.jsonl", rows)
    near = partial(NearDuplicates, 0.93)
    split_file(path, tmp_path / "out", SplitOptions(share=0.3, make_finder=near))
    numbers = [{row["text"].split()[5] for row in rows} for rows in _read(tmp_path / "out").values()]
    assert all(numbers) and not numbers[0] & numbers[1]
    split_file(path, tmp_path / "without", SplitOptions(share=0.3))
    numbers = [{row["text"].split()[5] for row in rows} for rows in _read(tmp_path / "without").values()]
    assert numbers[0] & numbers[1]


def test_out_of_domain_rows_are_apart_and_nothing_leaks_into_them(tmp_path):
    rows = _rows()  # rows 20k have topic b, and share their question with row 20k + 1
    path = _write(
        tmp_path / "in.jsonl",
        [*rows, {"output": "no instruction"}, {"instruction": 1, "output": 2, "topic": "a"}],
    )
    counts = split_file(path, tmp_path / "out", SplitOptions(share=0.1, out_of_domain={"topic": ["b"]}))
    assert counts == {"train": 80, "eval": 10, "out_of_domain": 5, "rejected": 7}
    rejected = [(row["row"], row["reason"]) for row in _read(tmp_path / "out")["rejected"]]
    leaks = [(row, "leaks_out_of_domain") for row in (2, 22, 42, 62, 82)]
    assert rejected == [*leaks, (101, "missing_field"), (102, "no_text")]


def test_out_of_domain_alone(tmp_path):
    path = _write(tmp_path / "in.jsonl", _rows())
    counts = split_file(path, tmp_path / "out", SplitOptions(out_of_domain={"topic": ["b"]}))
    assert counts == {"train": 90, "out_of_domain": 5, "rejected": 5}
    files = _read(tmp_path / "out")
    assert {row["topic"] for row in files["out_of_domain"]} == {"b"}
    first = files["rejected"][0]
    assert first["reason"] == "leaks_out_of_domain" and first["row"] == 2 and first["raw"]["output"] == "1"
    assert first["detail"].startswith("belongs together with") and "row 1," in first["detail"]


def test_the_seed_and_nothing_else_changes_the_draw(tmp_path):
    path = _write(tmp_path / "in.jsonl", _rows())
    backwards = _write(tmp_path / "back.jsonl", _rows()[::-1])
    held_out = []
    for number, (file, seed) in enumerate([(path, 1), (backwards, 1), (path, 2)]):
        split_file(file, tmp_path / str(number), SplitOptions(share=0.2, seed=seed))
        held_out.append({row["output"] for row in _read(tmp_path / str(number))["eval"]})
    assert held_out[0] == held_out[1] != held_out[2]


@pytest.mark.parametrize(
    ("options", "problem"),
    [
        (SplitOptions(share=0.1, group_by="author"), "no row has the field author"),
        (SplitOptions(out_of_domain={"topic": ["c"]}), "no row has topic=c"),
        (SplitOptions(out_of_domain={"topic": ["a", "b"]}), "all rows have topic=a|b"),
        (SplitOptions(folds=60), "only 50 that may be parted"),
    ],
)
def test_what_cannot_be_split_is_refused_and_nothing_written(tmp_path, options, problem):
    path = _write(tmp_path / "in.jsonl", _rows())
    with pytest.raises(DataError) as caught:
        split_file(path, tmp_path / "out", options)
    assert problem in str(caught.value) and str(path) in str(caught.value)
    assert not (tmp_path / "out").exists()


def test_coldataset_by_topic(tmp_path, shared_data):
    """COLDataset as published, with its byte-order mark and CRLF (25,726 rows in three topics)."""
    path = shared_data / "classification" / "coldataset_zh_train.csv"
    with path.open(encoding="utf-8-sig", newline="") as file:
        topics = [row["topic"] for row in csv.DictReader(file)]
    options = SplitOptions(share=0.1, out_of_domain={"topic": ["region"]}, fields=["TEXT"])
    counts = split_file(path, tmp_path / "out", options)
    assert counts["out_of_domain"] == topics.count("region") > 1000
    assert sum(counts.values()) == 25_726
    files = _read(tmp_path / "out")
    texts = {name: {row["TEXT"] for row in rows} for name, rows in files.items() if name != "rejected"}
    assert (
        not texts["train"] & texts["eval"] and not (texts["train"] | texts["eval"]) & texts["out_of_domain"]
    )
