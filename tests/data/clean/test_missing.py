"""Missing values: left out or filled, each noted, and nothing else is altered."""

import json

import pytest

from luthier.core.errors import DataError
from luthier.data.clean.missing import HandleMissing, MissingRule
from luthier.data.operators.batch import batches_of_rows, batches_of_samples, rows_of, samples_of
from luthier.data.operators.files import open_batches, write_batches
from luthier.data.sample import Sample
from luthier.data.sources import read_rows


def _handled(rows, *rules, tokens=(), batch_rows=2):
    batches = batches_of_rows(enumerate(rows, start=1), ["text"], source="f.csv", batch_rows=batch_rows)
    done = list(HandleMissing(rules, tokens)(batches))
    kept = [reason is None for batch in done for reason in batch["reason"].to_pylist()]
    return [
        row for row, is_kept in zip((r for b in done for r in rows_of(b)), kept, strict=True) if is_kept
    ], done


def _rows(*ages):
    return [{"text": f"t{n}", "age": age} for n, age in enumerate(ages)]


@pytest.mark.parametrize(
    ("action", "ages", "filled"),
    [
        ("mean", [1, 2, None, 6], 3),
        ("mean", [1, 2, None], 1.5),
        ("median", [1, 9, None, 2], 2),
        ("median", [1.0, None, 4.0], 2.5),
        ("mean", ["1", "2", " ", "6"], "3"),
        ("mean", ["1", "2", ""], "1.5"),
        ("mode", ["b", "a", "b", ""], "b"),
        ("mode", [True, False, True, None], True),
        ("mode", ["x", "y", None], "x"),
        ("mean", [4.0, float("nan")], 4.0),
    ],
)
def test_fills(action, ages, filled):
    rows, batches = _handled(_rows(*ages), MissingRule("age", action))
    lacking = next(n for n, age in enumerate(ages) if age is None or age != age or not str(age).strip())
    assert rows[lacking]["age"] == filled and type(rows[lacking]["age"]) is type(filled)
    assert [row["age"] for n, row in enumerate(rows) if n != lacking] == [
        a for n, a in enumerate(ages) if n != lacking
    ]
    notes = [note for batch in batches for changes in batch["changes"].to_pylist() for note in changes]
    assert [(note["operator"], note["path"]) for note in notes] == [("missing", "/age")]


def test_drop_constant_nested_and_absent_fields():
    rows = [
        {"text": "a", "meta": {"lang": "zh"}},
        {"text": "b", "meta": None},
        {"text": "c"},
        {"text": "d", "meta": "x"},
    ]
    filled, batches = _handled(rows, MissingRule("meta.lang", "constant", "en"))
    assert [row["meta"] for row in filled] == [{"lang": "zh"}, {"lang": "en"}, {"lang": "en"}]
    assert [reason for batch in batches for reason in batch["reason"].to_pylist()] == [
        None,
        None,
        None,
        "missing_value",
    ]
    kept, batches = _handled(rows, MissingRule("meta", "drop"))
    assert [row["text"] for row in kept] == ["a", "d"]
    assert batches[0]["detail"].to_pylist()[1] == "field 'meta' is missing"


def test_a_missing_text_that_is_filled_is_the_text_of_the_row():
    rows, batches = _handled([{"text": " ", "n": 1}], MissingRule("text", "constant", "(none)"))
    assert rows == [{"text": "(none)", "n": 1}]
    assert batches[0]["texts"].to_pylist() == [["(none)"]]
    assert json.loads(batches[0]["raw"].to_pylist()[0]) == {"text": " ", "n": 1}


def test_tokens_mean_missing_whatever_their_case():
    rows, _ = _handled(_rows("1", "n/a", "3", "NA"), MissingRule("age", "mean"), tokens=["N/A", "na"])
    assert [row["age"] for row in rows] == ["1", "2", "3", "2"]


def test_handling_twice_changes_nothing():
    rules = (MissingRule("age", "mean"), MissingRule("name", "constant", "x"))
    once, _ = _handled(_rows(1, None, 4), *rules)
    twice, batches = _handled(once, *rules)
    assert twice == once
    assert all(changes == [] for batch in batches for changes in batch["changes"].to_pylist())


@pytest.mark.parametrize(
    ("ages", "action", "message"),
    [
        (["1", "abc", ""], "mean", r"f.csv, row 2: field 'age' is 'abc': no number"),
        ([True, None], "median", r"no number"),
        ([[1], None], "mode", r"holds a list or an object"),
        ([None, ""], "mean", r"no row has the field 'age'"),
    ],
)
def test_what_cannot_be_filled_is_said(ages, action, message):
    with pytest.raises(DataError, match=message):
        _handled(_rows(*ages), MissingRule("age", action))


def test_a_filled_file_keeps_the_other_rows_byte_by_byte(tmp_path):
    lines = ['{"text": "a",  "age": 1.50}', '{"text": "b", "age": null}']
    source = tmp_path / "in.jsonl"
    source.write_text("\n".join(lines), encoding="utf-8")
    write_batches(HandleMissing([MissingRule("age", "mean")])(open_batches(source)), tmp_path / "out.jsonl")
    assert (tmp_path / "out.jsonl").read_text(encoding="utf-8").split("\n") == [
        lines[0],
        '{"text":"b","age":1.5}',
        "",
    ]
    ((_, note),) = read_rows(tmp_path / "out.jsonl.changes.jsonl")
    assert note["changes"] == [{"operator": "missing", "path": "/age", "before": "null"}]


def test_a_second_pass_fills_with_what_the_first_found():
    step = HandleMissing([MissingRule("age", "mean")])
    for ages in ([2, 4, None], [100, None]):
        rows = enumerate(_rows(*ages), start=1)
        done = list(step(batches_of_rows(rows, ["text"], source="f", batch_rows=9)))
        assert rows_of(done[0])[-1]["age"] == 3


def test_samples_are_filled_where_they_have_a_place_for_it():
    samples = [
        Sample("f", 1, text="a", attributes={"age": "3"}),
        Sample("f", 2, text="b", attributes={"age": ""}),
    ]
    (batch,) = HandleMissing([MissingRule("attributes.age", "mean")])(batches_of_samples(samples))
    assert [sample.attributes for sample in samples_of(batch)] == [{"age": "3"}, {"age": "3"}]
    for action in ("constant", "drop"):
        with pytest.raises(DataError, match=r"attributes\.age"):
            list(HandleMissing([MissingRule("age", action, 1)])(batches_of_samples(samples)))
