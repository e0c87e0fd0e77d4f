"""Files of prompts: those that come with Luthier, or the user's in their place, checked row by row."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from luthier.core.errors import DataError
from luthier.data.sources import read_rows

_OWN = Path(__file__).parent / "prompts"


@dataclass(frozen=True)
class PromptRow:
    """A row of a file of prompts.

    Args:
        place: Where it stands, for messages and reports.
        language: ``en``, ``zh`` or what the file says; empty where it says nothing.
        fields: The columns that were asked for.
    """

    place: str
    language: str
    fields: Mapping[str, str]

    def __getitem__(self, column: str) -> str:
        return self.fields[column]


def read_prompts(
    path: str | None,
    own: str,
    columns: Collection[str],
    *,
    key: str,
    folder: Path,
    languages: Collection[str],
    check: Callable[[PromptRow], str | None] = lambda row: None,
) -> list[PromptRow]:
    """Return the rows of a file of prompts.

    Args:
        path: Of the user's file, or None for Luthier's.
        own: Name of Luthier's file.
        columns: That each row must have, filled.
        key: Of the recipe, for messages.
        folder: Relative paths start here.
        languages: Rows that name another are left out.
        check: Says what is wrong with a row; None where nothing is.

    Raises:
        DataError: The file cannot be read, lacks a column, has a row that is wrong, or none in these languages.
    """
    file = _OWN / own if path is None else folder / path
    where = own if path is None else path
    rows = []
    for number, raw in read_rows(file):
        place = f"{where}, row {number}"
        row = PromptRow(place, str(raw.get("language") or "") if isinstance(raw, dict) else "", {})
        row = PromptRow(place, row.language, _fields(raw, columns, place, key))
        if problem := check(row):
            raise DataError(problem, where=place, cure=f"mend the row; see evaluate.safety.{key}")
        if not row.language or row.language in languages:
            rows.append(row)
    if not rows:
        problem = f"has no row in {' or '.join(languages)}"
        raise DataError(problem, where=where, cure="name its language in evaluate.safety.languages")
    return rows


def _fields(raw: Any, columns: Collection[str], place: str, key: str) -> dict[str, str]:
    found = raw if isinstance(raw, dict) else {}
    missing = [column for column in columns if column not in found]
    if missing:
        has = ", ".join(map(str, found)) or "none"
        problem = (
            f"has the columns {has}; {', '.join(missing)} {'is' if len(missing) == 1 else 'are'} missing"
        )
        raise DataError(problem, where=place, cure=f"evaluate.safety.{key} needs {', '.join(columns)}")
    for column in columns:
        if not isinstance(found[column], str) or not found[column].strip():
            problem = f"{column} is {found[column]!r}, a text was expected"
            raise DataError(problem, where=f"{place}, {column}", cure="fill it in, or leave the row out")
    return {column: found[column] for column in columns}
