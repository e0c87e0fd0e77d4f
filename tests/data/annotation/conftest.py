"""Vectors with known answers, and small ratings."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from luthier.data.annotation.items import Gold, Item, Rating
from tests.conftest import SHARED_VECTORS

VECTORS = SHARED_VECTORS


def vector_cases(name: str) -> list[Any]:
    """Return the cases of a vector file as test parameters; one that skips where the file is absent."""
    path = VECTORS / name
    if not path.is_file():
        return [pytest.param(None, marks=pytest.mark.skip(reason=f"known answers are not at {path}"))]
    records = json.loads(path.read_text())["records"]
    return [
        pytest.param(record, id=f"{number}-{record['function']}") for number, record in enumerate(records)
    ]


@pytest.fixture
def make_items() -> Callable[..., list[Item]]:
    """Return a function that makes rows from what each rater said; ``-`` is a skipped row, a space no rating."""

    def make(gold: str = "", at: str | None = None, **raters: str) -> list[Item]:
        size = max(map(len, [*raters.values(), gold]))
        return [
            Item(
                id=f"r{row}",
                data={"text": f"text {row}"},
                ratings=tuple(
                    Rating(name, None if said[row] == "-" else said[row], at)
                    for name, said in raters.items()
                    if row < len(said) and said[row] != " "
                ),
                gold=Gold(gold[row]) if row < len(gold) and gold[row] != " " else None,
            )
            for row in range(size)
        ]

    return make


@pytest.fixture
def davidson(shared_data: Path) -> Path:
    """Davidson's tweets with the number of raters per label."""
    return shared_data / "classification" / "davidson_raters.csv"
