"""Finding: one piece of personal data in a text, and how certain that is; overlaps are resolved here."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal, NamedTuple, get_args

from luthier.recipe.data_sections.pii import PiiKind

Certainty = Literal["checked", "pattern", "uncertain"]
CERTAINTIES: tuple[Certainty, ...] = get_args(Certainty)
"""From certain to not: a check digit or registry agrees; the form alone; a form that other things have too."""

KINDS: tuple[str, ...] = get_args(PiiKind)
"""Every kind of finding. Where two of equal certainty overlap, the earlier kind wins."""


class Finding(NamedTuple):
    """A piece of personal data.

    Args:
        kind: One of `KINDS`.
        start: Index of its first character.
        end: Index after its last character.
        text: What stands there, as it was written.
        certainty: One of `CERTAINTIES`.
    """

    kind: str
    start: int
    end: int
    text: str
    certainty: Certainty


_CERTAINTY_RANK = {certainty: rank for rank, certainty in enumerate(CERTAINTIES)}
_KIND_RANK = {kind: rank for rank, kind in enumerate(KINDS)}


def is_at_least(certainty: str, least: str) -> bool:
    """Tell whether a certainty is as high as another, or higher."""
    return _CERTAINTY_RANK[certainty] <= _CERTAINTY_RANK[least]  # type: ignore[index]


def without_overlaps(findings: Iterable[Finding]) -> list[Finding]:
    """Return findings in order of place, none overlapping another.

    The more certain wins, then a secret, then the longer, then the earlier in `KINDS`.
    """
    ranked = sorted(findings, key=_rank)
    kept: list[Finding] = []
    for finding in ranked:
        if all(finding.end <= other.start or finding.start >= other.end for other in kept):
            kept.append(finding)
    return sorted(kept, key=lambda finding: finding.start)


def _rank(finding: Finding) -> tuple[int, bool, int, int, int]:
    certainty, kind = _CERTAINTY_RANK[finding.certainty], _KIND_RANK[finding.kind]
    return certainty, finding.kind != "secret", finding.start - finding.end, kind, finding.start
