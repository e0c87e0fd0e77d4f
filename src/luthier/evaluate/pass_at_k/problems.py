"""What is asked, and what an answer is checked by: rows of a file, or the held-out rows."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from luthier.core.errors import DataError
from luthier.data.sample import Message
from luthier.data.sources import read_rows
from luthier.evaluate.answers import choose_questions
from luthier.evaluate.examination import Subject
from luthier.evaluate.measured import spread_numbers
from luthier.recipe.evaluate_sections.pass_at_k import FIELDS_OF, PassAtKSection

_OPTIONAL_OF_PYTHON = ("entry_point", "reference")


@dataclass(frozen=True)
class Problem:
    """A prompt and what its answers are checked by.

    Args:
        place: Where the row stands.
        prompt: Of the row.
        prompt_ids: What the models are given.
        reference: The right answer; of python one that passes the tests, empty where there is none.
        test: Code that raises where an answer is wrong; empty but for python.
        entry_point: Function that the tests' ``check`` is called with; empty where they call it themselves.
    """

    place: str
    prompt: str
    prompt_ids: list[int]
    reference: str
    test: str = ""
    entry_point: str = ""


def read_problems(section: PassAtKSection, subject: Subject, most_tokens: int) -> list[Problem]:
    """Return what is asked, spread evenly where there are more rows than are wanted.

    Args:
        section: Of the recipe.
        subject: The model.
        most_tokens: Longest prompt that leaves room for an answer.

    Raises:
        DataError: The file cannot be used, or a prompt is too long.
    """
    if section.rows is None:
        return _held_out(section, subject, most_tokens)
    rows = list(read_rows(subject.recipe_folder / section.rows))
    chosen = [rows[number] for number in spread_numbers(len(rows), section.max_rows)]
    problems = []
    for number, row in chosen:
        place = f"{section.rows}, row {number}"
        problem = _of_row(place, _fields(row, section, place), section, subject)
        if len(problem.prompt_ids) > most_tokens:
            told = f"has {len(problem.prompt_ids)} tokens; {max(most_tokens, 0)} leave room for an answer"
            cure = "shorten it, or lower evaluate.pass_at_k.max_new_tokens"
            raise DataError(told, where=place, cure=cure)
        problems.append(problem)
    return problems


def _held_out(section: PassAtKSection, subject: Subject, most_tokens: int) -> list[Problem]:
    if subject.template is None:
        raise DataError(
            "this model has no chat template, and held-out text has no reference to check answers by",
            where="evaluate.pass_at_k",
            cure="name a file with the fields prompt and reference: evaluate.pass_at_k.rows",
        )
    questions = choose_questions(
        subject.held_out.samples, subject.template, count=section.max_rows, max_tokens=most_tokens
    )
    return [Problem(each.place, each.prompt, each.prompt_ids, each.reference) for each in questions]


def _of_row(place: str, fields: Mapping[str, str], section: PassAtKSection, subject: Subject) -> Problem:
    prompt = fields["prompt"]
    asked = f"{section.instruction}\n\n{prompt}" if section.instruction else prompt
    if subject.template is None:
        ids = list(subject.tokenizer(asked)["input_ids"])
    else:
        ids = subject.template.prompt_ids([Message("user", asked)])
    reference, test, entry_point = (fields.get(name, "") for name in ("reference", "test", "entry_point"))
    return Problem(place, prompt, ids, reference, test, entry_point)


def _fields(row: Any, section: PassAtKSection, place: str) -> dict[str, str]:
    """Return the fields of a row by our names.

    Raises:
        DataError: One is missing, empty or no text.
    """
    if not isinstance(row, dict):
        raise DataError(f"is {type(row).__name__}, a row with fields was expected", where=place)
    found = {}
    for name in FIELDS_OF[section.check]:
        column = section.columns.get(name, name)
        is_optional = section.check == "python" and name in _OPTIONAL_OF_PYTHON
        if column not in row:
            if is_optional and name not in section.columns:
                continue
            problem = f"has no field {column}, only {', '.join(map(str, row)) or 'none'}"
            cure = f"name it in evaluate.pass_at_k.columns: {{{name}: YOUR_NAME}}"
            raise DataError(problem, where=place, cure=cure)
        found[name] = _text(row[column], name, f"{place}, {column}")
    return found


def _text(value: Any, name: str, where: str) -> str:
    if name == "test" and isinstance(value, list) and value and all(isinstance(part, str) for part in value):
        value = "\n".join(value)
    if name == "reference" and isinstance(value, (int, float)) and not isinstance(value, bool):
        value = str(value)
    if not isinstance(value, str) or not value.strip():
        raise DataError(
            f"is {value!r}, a text was expected", where=where, cure="fill it in, or leave the row out"
        )
    return value
