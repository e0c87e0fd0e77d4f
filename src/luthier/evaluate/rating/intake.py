"""Intake: files of ratings, as the page writes them, checked against the page's key."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from luthier.core.errors import DataError
from luthier.core.files import read_json
from luthier.evaluate.rating.sheet import KEY_FILE, VERDICTS, Item, Sheet, Verdict
from luthier.evaluate.rating.win_rate import Winner


@dataclass(frozen=True)
class Rated:
    """One verdict of one rater."""

    rater: str
    item: Item
    verdict: Verdict

    @property
    def winner(self) -> Winner:
        """Whose answer it prefers."""
        return self.item.winner(self.verdict)


def read_ratings(paths: Sequence[Path], sheet: Sheet, *, is_partial: bool) -> list[Rated]:
    """Return all verdicts, un-blinded.

    Args:
        paths: Files that the page downloaded.
        sheet: The page's key.
        is_partial: Take raters who have not rated all items.

    Raises:
        DataError: A file is of another page, has an unknown item, or no or two verdicts on one; item and cure are
            named.
    """
    rated: list[Rated] = []
    seen: dict[tuple[str, str], Path] = {}
    for path in paths:
        rater, verdicts = _read(path, sheet)
        for number, one in enumerate(verdicts, start=1):
            found = _rated(one, rater, sheet, f"{path}, verdict {number}")
            key = (rater, found.item.id)
            if key in seen:
                cure = "keep one of the two verdicts; two raters need two names"
                problem = f"{rater} rated {found.item.id} twice, first in {seen[key]}"
                raise DataError(problem, where=str(path), cure=cure)
            seen[key] = path
            rated.append(found)
    if not is_partial:
        _require_all(rated, sheet)
    if not rated:
        raise DataError("the files hold no verdicts", cure="rate some items and download again")
    return rated


def _read(path: Path, sheet: Sheet) -> tuple[str, list[Any]]:
    cure = "take the file that the page's download button wrote"
    try:
        content = read_json(path)
    except FileNotFoundError as error:
        raise DataError("there is no such file", where=str(path), cure=cure) from error
    except (ValueError, RecursionError) as error:
        raise DataError(f"is not JSON: {error}", where=str(path), cure=cure) from error
    if not isinstance(content, dict) or not isinstance(content.get("verdicts"), list):
        raise DataError("an object with a list `verdicts` is expected", where=str(path), cure=cure)
    if content.get("page") != sheet.page:
        problem = f"rates page {content.get('page')!r}, {KEY_FILE} is that of {sheet.page!r}"
        raise DataError(problem, where=str(path), cure="name the folder whose page was rated")
    rater = content.get("rater")
    if not isinstance(rater, str) or not rater.strip():
        raise DataError("the rater has no name", where=str(path), cure='add "rater": "NAME" to the file')
    return rater.strip(), content["verdicts"]


def _rated(one: Any, rater: str, sheet: Sheet, where: str) -> Rated:
    if not isinstance(one, dict):
        raise DataError(f"an object is expected, got {type(one).__name__}", where=where)
    item = sheet.item(str(one.get("item")))
    if item is None:
        cure = f"items are item-1 to item-{len(sheet.items)}"
        raise DataError(f"item {one.get('item')!r} is not on the page", where=where, cure=cure)
    verdict = next((known for known in VERDICTS if known == one.get("verdict")), None)
    if verdict is None:
        cure = f"one of {', '.join(VERDICTS)}; or take the verdict out and use --partial"
        raise DataError(f"{item.id} has the verdict {one.get('verdict')!r}", where=where, cure=cure)
    return Rated(rater, item, verdict)


def _require_all(rated: Sequence[Rated], sheet: Sheet) -> None:
    for rater in dict.fromkeys(one.rater for one in rated):
        done = {one.item.id for one in rated if one.rater == rater}
        missing = [item.id for item in sheet.items if item.id not in done]
        if missing:
            shown = ", ".join(missing[:5]) + (", …" if len(missing) > 5 else "")
            problem = f"{rater} has no verdict on {len(missing):,} of {len(sheet.items):,} items: {shown}"
            raise DataError(problem, cure="let the page be finished, or take what there is with --partial")
