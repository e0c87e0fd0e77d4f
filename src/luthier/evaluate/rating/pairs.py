"""Pairs: two models' answers to the same question, from an evaluation report or from two files."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from luthier.core.errors import DataError
from luthier.core.files import read_json
from luthier.data.sources import read_rows

_REPORTS = ("report.json", "report/report.json")


@dataclass(frozen=True)
class Pair:
    """Two answers to one question.

    Args:
        place: File and row that it comes from.
        prompt: The question.
        reference: The right answer, where it is known.
        base: The answer of the model that is compared with.
        tuned: The answer of the model of interest.
    """

    place: str
    prompt: str
    reference: str | None
    base: str
    tuned: str


def read_pairs(inputs: Sequence[Path]) -> list[Pair]:
    """Return the pairs of a report, or of two files of answers.

    Args:
        inputs: A ``report.json``, a run or an output folder of `luthier evaluate`; or two files, the base's answers
            and the tuned model's.

    Raises:
        DataError: There are no answers, or those of the two files are not to the same questions; row and field are
            named.
    """
    return _of_report(inputs[0]) if len(inputs) == 1 else _of_files(inputs[0], inputs[1])


def _of_report(path: Path) -> list[Pair]:
    found = path
    if path.is_dir():
        found = next((path / name for name in _REPORTS if (path / name).is_file()), path / _REPORTS[0])
    if not found.is_file():
        cure = "name a run, a report.json, or two files of answers: BASE.jsonl TUNED.jsonl"
        raise DataError("there is no report", where=str(path), cure=cure)
    if found.suffix != ".json":
        cure = "give two files: BASE.jsonl TUNED.jsonl"
        raise DataError("one file of answers has nothing to be compared with", where=str(path), cure=cure)
    try:
        report = read_json(found)
    except ValueError as error:
        raise DataError(f"is not JSON: {error}", where=str(found)) from error
    rows = report.get("generations") if isinstance(report, dict) else None
    if not isinstance(rows, list) or not rows:
        cure = "evaluate a chat model with evaluate.num_generations above 0"
        raise DataError("the report has no answers (`generations`)", where=str(found), cure=cure)
    return [_of_generation(row, f"{found}, generation {number}") for number, row in enumerate(rows, 1)]


def _of_generation(row: Any, where: str) -> Pair:
    if not isinstance(row, dict):
        raise DataError(f"an object is expected, got {type(row).__name__}", where=where)
    if row.get("base") is None:
        cure = "evaluate again with a base to compare with, or give two files of answers"
        raise DataError("there is no answer of a base beside the model's", where=where, cure=cure)
    texts = {name: _text(row, name, where) for name in ("prompt", "base", "tuned")}
    return Pair(str(row.get("row") or where), reference=_reference(row, where), **texts)


def _of_files(base_path: Path, tuned_path: Path) -> list[Pair]:
    base, tuned = list(read_rows(base_path)), list(read_rows(tuned_path))
    if len(base) != len(tuned):
        problem = f"{len(base):,} rows, and {len(tuned):,} in {tuned_path}"
        raise DataError(problem, where=str(base_path), cure="answer the same questions, in the same order")
    pairs = []
    for (base_number, first), (tuned_number, second) in zip(base, tuned, strict=True):
        places = (f"{base_path}, row {base_number}", f"{tuned_path}, row {tuned_number}")
        for row, where in zip((first, second), places, strict=True):
            if not isinstance(row, dict):
                raise DataError(f"an object is expected, got {type(row).__name__}", where=where)
        prompt = _text(first, "prompt", places[0])
        if _text(second, "prompt", places[1]) != prompt:
            cure = "both files need the same prompts in the same order"
            raise DataError(f"its prompt is another than that of {places[0]}", where=places[1], cure=cure)
        reference = _reference(first, places[0]) or _reference(second, places[1])
        answers = (_text(first, "answer", places[0]), _text(second, "answer", places[1]))
        pairs.append(Pair(places[0], prompt, reference, *answers))
    return pairs


def _text(row: dict[str, Any], name: str, where: str) -> str:
    value = row.get(name)
    if not isinstance(value, str):
        known = ", ".join(map(str, row))
        got = "is missing" if value is None else f"is {type(value).__name__}, text is expected"
        raise DataError(f"field {name!r} {got}", where=where, cure=f"fields of the row: {known}")
    return value


def _reference(row: dict[str, Any], where: str) -> str | None:
    return None if row.get("reference") is None else _text(row, "reference", where)
