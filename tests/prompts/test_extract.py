"""The answer is found where the rule says, or not at all."""

from __future__ import annotations

import pytest

from luthier.prompts.extract import extract, last_number, reference_of
from luthier.prompts.sections import ExtractSection


@pytest.mark.parametrize(
    ("said", "rule", "found"),
    [
        (" yes \n", {}, None),
        ("Answer: 3. No: Answer: 4 apples\nBye", {"after": "Answer:"}, "4 apples"),
        ("no mark", {"after": "Answer:"}, None),
        ("Answer:\n\n 7", {"after": "Answer:"}, "7"),
        ("答案：四", {"after": "答案："}, "四"),
        ("(A) or (B)", {"pattern": r"\(([A-D])\)"}, "B"),
        ("none", {"pattern": r"\(([A-D])\)"}, None),
        ("It is $1,200.50 then 18.00", {"last_number": True}, "18"),
        ("#### 1,234 in all", {"after": "####", "last_number": True}, "1234"),
        ("-5 °C", {"last_number": True}, "-5"),
        ("nothing", {"last_number": True}, None),
    ],
)
def test_found(said: str, rule: dict[str, object], found: str | None) -> None:
    section = ExtractSection.model_validate(rule) if rule else None
    assert extract(said, section) == (said.strip() if not rule else found)


@pytest.mark.parametrize(
    ("text", "number"), [("1,000", "1000"), ("2.50", "2.5"), ("100", "100"), ("0.0", "0")]
)
def test_one_spelling_of_a_number(text: str, number: str) -> None:
    assert last_number(text) == number


def test_reference_gets_the_same_spelling() -> None:
    assert reference_of("1,000", ExtractSection(last_number=True)) == "1000"
    assert reference_of("1,000", None) == "1,000"
