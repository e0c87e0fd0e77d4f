"""Assignment: which variant a unit has, always the same for the same unit and experiment, without any memory.

A unit's position from 0 to 1 follows from a hash of its id and the experiment's name. Positions are uniform, and those
of one experiment say nothing about those of another, so that experiments can overlap.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable, Sequence
from typing import Literal

from luthier.core.errors import LuthierError
from luthier.evaluate.ab.fnv1a import fnv1a, growthbook_position

HashName = Literal["blake2b", "growthbook-1", "growthbook-2"]

_BITS = 53


def position(experiment: str, unit: str) -> float:
    """Return where a unit lies in an experiment, from 0 to below 1: 53 bits of BLAKE2b."""
    # The name is a key with its length, so that ("ab", "c") and ("a", "bc") are different texts.
    digest = hashlib.blake2b(f"{len(experiment)}:{experiment}{unit}".encode(), digest_size=8).digest()
    return (int.from_bytes(digest, "big") >> (64 - _BITS)) / 2**_BITS


POSITIONS: dict[HashName, Callable[[str, str], float]] = {
    "blake2b": position,
    "growthbook-1": lambda experiment, unit: growthbook_position(experiment, unit, 1),
    "growthbook-2": lambda experiment, unit: growthbook_position(experiment, unit, 2),
}


def bucket_ranges(shares_V: Sequence[float], coverage: float = 1.0) -> list[tuple[float, float]]:
    """Return the positions that belong to each variant.

    With less coverage every range is shortened from its end, so that raising it later moves no unit.

    Args:
        shares_V: Of each variant; they sum to 1.
        coverage: Share of all units that take part.

    Raises:
        LuthierError: The shares do not sum to 1, or a number is out of its range.
    """
    if not 0 <= coverage <= 1:
        raise LuthierError(f"a coverage of {coverage} is not from 0 to 1", cure="1 lets every unit take part")
    if any(not 0 <= share <= 1 for share in shares_V) or not math.isclose(sum(shares_V), 1, abs_tol=1e-3):
        raise LuthierError(
            f"shares of {', '.join(f'{share:g}' for share in shares_V)} do not sum to 1",
            cure="for three equal variants write 1/3 as 0.3333, 0.3333 and 0.3334",
        )
    starts = [math.fsum(shares_V[:number]) for number in range(len(shares_V))]
    return [(start, start + coverage * share) for start, share in zip(starts, shares_V, strict=True)]


def variant_at(place: float, ranges: Sequence[tuple[float, float]]) -> int | None:
    """Return the number of the variant whose range holds a position; None where it is in none."""
    return next((number for number, (low, high) in enumerate(ranges) if low <= place < high), None)


def is_in_namespace(unit: str, namespace: str, low: float, high: float) -> bool:
    """Whether a unit lies in a part of a namespace: experiments in different parts never share a unit."""
    return low <= fnv1a(f"{unit}__{namespace}") % 1000 / 1000 < high
