"""Sheet: pairs in a blind order, as a page for raters and a key that tells which answer was whose."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np

from luthier.core.errors import DataError
from luthier.core.files import read_json, write_json, write_text
from luthier.core.hashing import fingerprint
from luthier.core.page import render_page
from luthier.evaluate.rating.pairs import Pair

KEY_FILE, PAGE_FILE = "key.json", "rate.html"
_VERSION = 1

Side = Literal["base", "tuned"]
Verdict = Literal["first", "second", "tie"]
VERDICTS: tuple[Verdict, ...] = ("first", "second", "tie")


@dataclass(frozen=True)
class Item:
    """A pair on the page.

    Args:
        id: Its name there, which says nothing of the models.
        pair: The answers.
        first: Whose answer is shown first.
    """

    id: str
    pair: Pair
    first: Side

    @property
    def answers(self) -> tuple[str, str]:
        """The answers in the order in which they are shown."""
        both = (self.pair.base, self.pair.tuned)
        return both if self.first == "base" else (both[1], both[0])

    def winner(self, verdict: Verdict) -> Literal["base", "tuned", "tie"]:
        """Return whose answer a verdict prefers."""
        if verdict == "tie":
            return "tie"
        return self.first if verdict == "first" else ("base" if self.first == "tuned" else "tuned")


@dataclass(frozen=True)
class Sheet:
    """All pairs of a page.

    Args:
        page: Names the page; ratings carry it, so that no key un-blinds another page's.
        seed: Of the order.
        num_identical: Pairs that were left out because both answers are the same text.
        items: In their order.
    """

    page: str
    seed: int
    num_identical: int
    items: tuple[Item, ...]

    def item(self, name: str) -> Item | None:
        """Return the item of that name, None where there is none."""
        return next((item for item in self.items if item.id == name), None)


def make_sheet(pairs: Sequence[Pair], seed: int) -> Sheet:
    """Return pairs in a random order of their sides: each model is first in half of them, give or take one.

    Pairs whose answers are the same text are left out: nobody can prefer one.

    Raises:
        DataError: No pair is left.
    """
    different = [pair for pair in pairs if pair.base.strip() != pair.tuned.strip()]
    if not different:
        cure = "compare models that differ"
        raise DataError(f"both models answer all {len(pairs):,} questions alike", cure=cure)
    # A model that is better must not look like a place that is preferred: places are balanced, then shuffled.
    generator = np.random.default_rng(seed)
    is_tuned_first_N = generator.permutation((np.arange(len(different)) + generator.integers(2)) % 2 == 0)
    items = tuple(
        Item(f"item-{number}", pair, "tuned" if is_first else "base")
        for number, (pair, is_first) in enumerate(zip(different, is_tuned_first_N, strict=True), start=1)
    )
    return Sheet(_name_of(items), seed, len(pairs) - len(different), items)


def write_sheet(sheet: Sheet, folder: Path) -> None:
    """Write the page and its key.

    Raises:
        DataError: The folder holds another page's key, without which its ratings could not be read.
    """
    key = folder / KEY_FILE
    if key.is_file() and read_sheet(folder).page != sheet.page:
        raise DataError("another page's key is here", where=str(key), cure="name another folder with --out")
    write_text(folder / PAGE_FILE, render_sheet(sheet))
    write_json(key, {"version": _VERSION, **asdict(sheet)})


def render_sheet(sheet: Sheet) -> str:
    """Return the page: one HTML file that opens offline, and does not tell which model is which."""
    items = [
        {"id": i.id, "prompt": i.pair.prompt, "reference": i.pair.reference, "answers": list(i.answers)}
        for i in sheet.items
    ]
    return render_page(
        "luthier.evaluate.rating", "rate.html.jinja", data={"page": sheet.page, "items": items}
    )


def read_sheet(folder: Path) -> Sheet:
    """Return the sheet whose key lies in a folder.

    Raises:
        DataError: There is no key, or it is not one of ours.
    """
    path = folder / KEY_FILE
    if not path.is_file():
        cure = f"make the page first: luthier rate make RUN --out {folder}"
        raise DataError(f"there is no {KEY_FILE}", where=str(folder), cure=cure)
    try:
        return _sheet_of(read_json(path))
    except (ValueError, KeyError, TypeError) as error:
        cure = "make the page again, with the same inputs and seed"
        raise DataError(f"is not a key of a rating page ({error!r})", where=str(path), cure=cure) from error


def _sheet_of(key: dict[str, Any]) -> Sheet:
    if key["version"] != _VERSION:
        raise ValueError(f"version {key['version']}, expected {_VERSION}")
    items = tuple(Item(item["id"], Pair(**item["pair"]), item["first"]) for item in key["items"])
    if wrong := next((item for item in items if item.first not in ("base", "tuned")), None):
        raise ValueError(f"{wrong.id}: first is {wrong.first!r}")
    if not items or key["page"] != _name_of(items):
        raise ValueError("its items are not those of the page that it names")
    return Sheet(key["page"], int(key["seed"]), int(key["num_identical"]), items)


def _name_of(items: Sequence[Item]) -> str:
    """Return a name that another order, or another text, would change."""
    return fingerprint("rating page", [asdict(item) for item in items])[:16]
