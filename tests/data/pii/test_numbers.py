"""Phones and cards that were stored as JSON numbers are found, and leave as strings; other numbers stay as they are."""

import json

import pytest

from luthier.data.operators.batch import batches_of_rows, batches_of_samples, json_of
from luthier.data.operators.execute import apply
from luthier.data.pii.numbers import digits_of
from luthier.data.pii.operator import OPERATOR, PersonalData
from luthier.data.pii.report import PiiReport, collected
from luthier.data.pii.section import operators_of
from luthier.data.sample import Message, Sample
from luthier.recipe.data_sections.pii import PiiSection

_PHONE, _CARD = 13812345678, 4111111111111111
_ROWS = [
    {"name": "a", "phone": _PHONE, "n": 12345, "deep": [{"card": _CARD}], "x": 1.50},
    {"name": "b", "phone": float(_PHONE), "price": 23812345678.5, "big": 10**30},
    {"name": "c", "text": f"电话{_PHONE}", "phone": _PHONE},
    {"name": "d", "phone": True, "n": -_PHONE, "id": 20240101},
    [_PHONE],
]


def _run(operator, rows=_ROWS):
    report = PiiReport()
    batches = batches_of_rows(enumerate(rows, start=1), ("**",), source="in.jsonl")
    (batch,) = collected(apply(batches, [operator]), report)
    return batch, report


def test_numbers_are_masked_and_become_strings():
    batch, report = _run(PersonalData("mask", numbers=("**",)))
    rows = [json.loads(row) for row in json_of(batch)]
    assert rows[0] == {
        "name": "a",
        "phone": "[PHONE]",
        "n": 12345,
        "deep": [{"card": "[BANK_CARD]"}],
        "x": 1.5,
    }
    assert rows[1] == {"name": "b", "phone": "[PHONE]", "price": 23812345678.5, "big": 10**30}
    assert rows[2] == {"name": "c", "text": "电话[PHONE]", "phone": "[PHONE]"}
    assert rows[3] == _ROWS[3]
    assert rows[4] == ["[PHONE]"]
    assert report.numbers == 4 and report.as_json()["numbers"] == 4
    assert report.by_kind() == {"bank_card": 1, "phone": 4}
    assert str(_PHONE) not in json.dumps(batch.to_pylist()[:3])
    assert [[change["path"] for change in row or ()] for row in batch["changes"].to_pylist()] == [
        ["/phone", "/deep/0/card"],
        ["/phone"],
        ["/phone", "/text"],
        [],
        [],
    ]
    assert all(
        c["operator"] == OPERATOR and c["before"] is None for r in batch["changes"].to_pylist() for c in r
    )


def test_a_report_alone_changes_nothing_and_names_the_places():
    batch, report = _run(PersonalData(numbers=("**",), shows_values=True))
    assert json_of(batch) == json_of(_run(PersonalData())[0])
    assert [(e["row"], e["path"], e["excerpt"], e.get("is_number")) for e in report.examples["phone"]] == [
        (3, "/text", str(_PHONE), None),
        (1, "/phone", str(_PHONE), True),
        (2, "/phone", str(_PHONE), True),
    ]


@pytest.mark.parametrize("numbers", [(), ("n",), ("deep.*.number",)])
def test_only_named_fields_are_looked_at(numbers):
    batch, report = _run(PersonalData("mask", numbers=numbers))
    assert json.loads(json_of(batch)[0]) == _ROWS[0]
    assert report.numbers == 0


def test_a_row_can_be_dropped_for_a_number():
    batch, _ = _run(PersonalData("mask", actions={"bank_card": "drop"}, numbers=("deep.*.card",)))
    assert batch["reason"].to_pylist()[0] == OPERATOR
    assert batch["detail"].to_pylist()[0] == "bank_card at /deep/0/card"
    assert str(_CARD) not in batch["raw"].to_pylist()[0]


def test_a_recipe_looks_into_the_numbers_of_tool_calls():
    message = Message(
        role="assistant", content="", tool_calls=({"name": "dial", "arguments": {"to": _PHONE}},)
    )
    sample = Sample(source="a.jsonl", row=_PHONE, messages=(message,))
    operators = operators_of(PiiSection.model_validate({"action": "mask"}))
    (batch,) = collected(apply(batches_of_samples([sample]), operators), PiiReport())
    row = json.loads(json_of(batch)[0])
    assert row["messages"][0]["tool_calls"][0]["arguments"] == {"to": "[PHONE]"}
    assert row["row"] == _PHONE  # the number of the row is no text of it


@pytest.mark.parametrize(
    ("value", "digits"),
    [
        (1234567, "1234567"),
        (123456, ""),
        (1234567.0, "1234567"),
        (1234567.5, ""),
        (True, ""),
        (float("inf"), ""),
    ],
)
def test_whole_numbers_have_digits(value, digits):
    assert digits_of(value) == digits
