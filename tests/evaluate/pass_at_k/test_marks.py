"""Which answers in words and numbers are right; what of an answer is code."""

from __future__ import annotations

from decimal import Decimal

import pytest

from luthier.evaluate.pass_at_k.code import code_of, judge_of, program_of
from luthier.evaluate.pass_at_k.marks import contains, is_exact, last_number, same_number, why_unchecked
from luthier.evaluate.pass_at_k.problems import Problem


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("She makes 9 * 2 = $18.", "18"), ("1,234,567.5 km", "1234567.5"), ("It is -3", "-3"), ("5-3", "3"),
        ("1, 2, 3", "3"), ("答案是４２。", "42"), ("18.0", "18"), ("about .5", "0.5"), ("-$20", "-20"), ("x−7", "7"),
        ("= −7", "-7"), ("70,000", "70000"), ("none", None),
        # Units, names and powers hold digits that are no number of their own.
        ("25 m²", "25"), ("25 m^2", "25"), ("25 $m^{2}$", "25"), ("25 cm3", "25"), ("25cm35", "25"),
        ("25 in v1.5", "25"), ("5 mol of H₂O", "5"), ("101₂", "101"), ("10²", None), ("10^2", None),
        ("2^10 = 1024", "1024"), ("m2", None),
        ("1e5", "100000"), ("2.5E-3", "0.0025"), ("1e5f", "1"), ("3 × 10²", "300"), (r"-2.5 \times 10^{-3}", "-0.0025"),
        ("答案是-5", "-5"), ("面积25平方米", "25"), ("3×4", "4"), ("x=5", "5"), ("1e999", "1e999"),
    ],
)  # fmt: skip
def test_last_number(text: str, number: str | None) -> None:
    assert last_number(text) == (None if number is None else Decimal(number))


def test_the_number_after_the_mark_is_that_of_the_reference() -> None:
    reference = "Janet sells 16 - 3 - 4 = <<16-3-4=9>>9 duck eggs.\n#### 18"
    assert same_number("That makes 9 times 2, $18.00 a day.", reference)
    assert not same_number("18 dollars for 9 eggs", reference)
    assert not same_number("", reference)
    assert same_number("The area is 25 m².", "25") and not same_number("The area is 25 m².", "2")
    assert same_number("so 1000", "#### 1,000") and same_number("It is 4.", "2 + 2 = 4")
    assert not why_unchecked("number", reference) and why_unchecked("number", "none")
    assert why_unchecked("number", "16 eggs\n#### many"), "the mark says that there is none"


@pytest.mark.parametrize(
    ("answer", "reference", "is_in"),
    [
        ("The word is Apple!", "apple", True), ("pineapples", "apple", False), ("It is 13", "3", False),
        ("答案是苹果树", "苹果", True), ("a C++ programme", "c++", True), ("café", "caf", False), ("", "a", False),
        ("It costs 1,500 euros", "500", False), ("1,500", "1", False), ("3.5 kg", "5", False), ("3.5 kg", "3", False),
        ("-5", "5", False), ("It is -$5.", "5", False), ("It is −5.", "5", False), ("It is -5.", "-5", True),
        ("8-5", "5", True), ("8-5", "-5", False), ("5, 3.", "5", True), ("It is 3.5.", "3.5", True),
        ("是-5", "5", False), ("It costs $1,500, not 2", "1,500", True), ("25 m²", "2", False),
        ("version 3.a", "a", True),
    ],
)  # fmt: skip
def test_contains(answer: str, reference: str, is_in: bool) -> None:
    assert contains(answer, reference) == is_in


def test_exact() -> None:
    assert is_exact(" PARIS. ", "Paris") and not is_exact("It is Paris", "Paris")
    assert why_unchecked("exact", " . ") and not why_unchecked("contains", "a")


HUMAN = Problem(
    "row 1",
    'from math import sqrt\n\ndef root(n):\n    """Return the root."""\n',
    [],
    "    return sqrt(n)\n",
    "def check(candidate):\n    assert candidate(4) == 2\n",
    "root",
)


def test_an_answer_goes_on_or_defines_the_function_itself() -> None:
    whole = "Sure:\n```python\ndef root(n):\n    return sqrt(n)\n```\nIt returns the root."
    for answer in (HUMAN.reference, whole):
        names: dict[str, object] = {}
        exec(program_of(HUMAN, answer) + "\n" + judge_of(HUMAN), names)
        assert names["root"](9) == 3  # type: ignore[operator]


def test_a_prompt_in_words_is_no_part_of_the_program() -> None:
    problem = Problem("row 1", "Write a function f that returns 1.", [], "", "assert f() == 1", "f")
    assert program_of(problem, "```\ndef f(): return 1\n```") == "def f(): return 1\n"
    assert "check(" not in judge_of(problem), "the tests define no check"


def test_a_block_that_was_cut_off_is_code_too() -> None:
    assert code_of("So:\n```py\nx = 1\ny =") == "x = 1\ny ="
    assert code_of("x = 1") == "x = 1"


@pytest.mark.parametrize(
    ("answer", "code"),
    [
        ("```bash\npip install x\n```\nThen:\n```python\ndef f(): ...\n```", "def f(): ...\n"),
        ("    return a + b\n```\nThis adds.", "    return a + b\n"),
        ("    return a + b\n```\nOr:\n```python\nx\n```", "    return a + b\n"),
        ("    return a + b```\nThis adds.", "    return a + b"),
        ("print(1)\n```", "print(1)\n"),
        # Words that are Python's, too, are no code.
        ("Sure\n```\nx = 1\n```", "x = 1\n"),
        ("Solution: this\n```\nx = 1\n```\nIt works.", "x = 1\n"),
        ("Here: ```python\nx = 1\n```", "x = 1\n"),
        ("```\nx = 1\n```\nUse:\n```python\ny = 2\n```", "x = 1\n"),
        ("```text\n1\n```\n```Python3\r\nx = 1\r\n```", "x = 1\r\n"),
        ("```code\nx = 1\n```", "x = 1\n"),
        ("```python\nx = 1```", "x = 1"),
        ("1. Do:\n   ```python\n   def f():\n\n       return 1\n   ```", "def f():\n\n    return 1\n"),
        (
            '```python\nx = """\n    ```\n    y\n    ```\n"""\n```\nz',
            'x = """\n    ```\n    y\n    ```\n"""\n',
        ),
        ("````python\n'''\n```\n'''\n````\nz", "'''\n```\n'''\n"),
        ("Use ``` to fence code", "Use ``` to fence code"),
        ("```x```", "```x```"),
    ],
)
def test_fences_are_paired_and_the_block_of_python_is_taken(answer: str, code: str) -> None:
    assert code_of(answer) == code
