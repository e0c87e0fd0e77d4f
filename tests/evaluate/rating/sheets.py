"""Sheets and ratings whose answers are known by hand."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from luthier.evaluate.rating.pairs import Pair
from luthier.evaluate.rating.sheet import Sheet, Verdict, make_sheet, write_sheet
from luthier.evaluate.rating.win_rate import Winner


def sheet_in(folder: Path, num_pairs: int = 4) -> Sheet:
    """Return a sheet whose page and key lie in a folder."""
    pairs = [Pair(f"row {n}", f"question {n}", None, f"base {n}", f"tuned {n}") for n in range(num_pairs)]
    sheet = make_sheet(pairs, seed=3)
    write_sheet(sheet, folder)
    return sheet


def verdict_for(sheet: Sheet, item: str, winner: Winner) -> Verdict:
    """Return what a rater says who prefers that model."""
    found = sheet.item(item)
    assert found is not None
    return "tie" if winner == "tie" else ("first" if found.first == winner else "second")


def write_ratings(
    path: Path,
    sheet: Sheet,
    name: str,
    winners: Mapping[str, Winner],
    change: Mapping[str, Any] | None = None,
) -> Path:
    """Write a file as the page does, then changed."""
    verdicts = [
        {"item": item, "verdict": verdict_for(sheet, item, winner)} for item, winner in winners.items()
    ]
    content = {"page": sheet.page, "rater": name, "verdicts": verdicts, **(change or {})}
    path.write_text(json.dumps(content), encoding="utf-8")
    return path
