"""Find personal data in many texts at once: a cheap test first, then every recogniser over what is left."""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Callable, Iterator, Sequence
from itertools import accumulate
from types import ModuleType

import numpy as np
import pyarrow
import pyarrow.compute as compute

from luthier.core.errors import DataError
from luthier.data.pii import (
    address,
    bank_card,
    company_code,
    email,
    foreign_identity,
    iban,
    identity_card,
    ip_address,
    licence_plate,
    names,
    passport,
    phone,
    secrets,
)
from luthier.data.pii.finding import KINDS, Certainty, Finding, without_overlaps

_MODULES: dict[str, ModuleType] = {
    "identity_card": identity_card,
    "company_code": company_code,
    "iban": iban,
    "foreign_identity": foreign_identity,
    "bank_card": bank_card,
    "email": email,
    "phone": phone,
    "licence_plate": licence_plate,
    "passport": passport,
    "ip_address": ip_address,
    "address": address,
    "name": names,
    "secret": secrets,
}
"""The recogniser of each kind: ``find(text)``, and ``HINT``, an RE2 pattern that every text with a finding matches."""

PLAIN_KINDS = tuple(kind for kind in KINDS if kind != "name")
"""Every kind but names, which are slow to find and never certain."""

_BETWEEN = "\x00"  # no pattern matches it, so that no finding runs from one text into the next
_WIDE = re.compile("[０-９Ａ-Ｚａ-ｚ＠＋－．＿／：]+")
_NARROW = {code: code - 0xFEE0 for code in range(0xFF01, 0xFF5F)}

Recogniser = Callable[[str], Iterator[Finding]]
"""Yields findings of any kind in a text; how a program adds one of its own."""


def find(text: str, kinds: Sequence[str] = PLAIN_KINDS) -> list[Finding]:
    """Return the personal data in one text, in order, without overlaps."""
    return Detector(kinds).find_all([text])[0]


class Detector:
    """Finds personal data of some kinds.

    Args:
        kinds: Of `KINDS`.
        more: Recognisers besides; they see every text that is looked at, one at a time.

    Raises:
        DataError: A kind is not known.
    """

    def __init__(self, kinds: Sequence[str] = PLAIN_KINDS, more: Sequence[Recogniser] = ()) -> None:
        if unknown := [kind for kind in kinds if kind not in _MODULES]:
            raise DataError(
                f"kind {unknown[0]!r} of personal data is not known", cure=f"known: {', '.join(KINDS)}"
            )
        self._modules = [_MODULES[kind] for kind in KINDS if kind in kinds]
        self._more = tuple(more)
        self._hint = "|".join(f"(?:{module.HINT})" for module in self._modules)

    @property
    def hint(self) -> str | None:
        """RE2 pattern that every text with a finding matches; None where there is no such pattern."""
        return None if self._more else self._hint

    def worth_looking(self, texts: pyarrow.StringArray) -> pyarrow.BooleanArray:
        """Return for each text whether it can hold a finding; most of the work on most rows ends here."""
        if self._more or not self._hint:
            return pyarrow.array([bool(self._more)] * len(texts), pyarrow.bool_())
        return compute.match_substring_regex(texts, self._hint)

    def find_all(self, texts: Sequence[str]) -> list[list[Finding]]:
        """Return the findings of each text, in order, without overlaps."""
        found: list[list[Finding]] = [[] for _ in texts]
        narrow = _narrowed(texts)
        column = _column(narrow)
        for module in self._modules:
            # A recogniser sees only texts that have what it looks for: each pass over a text costs more than the hint.
            indices = np.flatnonzero(compute.match_substring_regex(column, module.HINT)).tolist()
            for index, kind, start, end, certainty in _found_by(module, narrow, indices):
                found[index].append(Finding(kind, start, end, texts[index][start:end], certainty))
        for recognise in self._more:
            for findings, text in zip(found, texts, strict=True):
                findings.extend(recognise(text))
        return [without_overlaps(findings) if len(findings) > 1 else findings for findings in found]


def _found_by(
    module: ModuleType, texts: Sequence[str], indices: Sequence[int]
) -> Iterator[tuple[int, str, int, int, Certainty]]:
    """Yield index of the text, kind, place in the text and certainty of what a recogniser finds in some texts."""
    if not indices:
        return
    some = [texts[index] for index in indices]
    starts = [0, *accumulate(len(text) + 1 for text in some)]
    for kind, start, end, _, certainty in module.find(_BETWEEN.join(some)):
        number = bisect_right(starts, start) - 1
        first = starts[number]
        yield indices[number], kind, start - first, end - first, certainty


def _column(texts: Sequence[str]) -> pyarrow.StringArray:
    try:
        return pyarrow.array(texts, pyarrow.string())
    except UnicodeEncodeError:  # half of a surrogate pair
        return pyarrow.array([text.encode("utf-8", "replace") for text in texts], pyarrow.string())


def _narrowed(texts: Sequence[str]) -> Sequence[str]:
    """Return texts with full-width letters and digits as plain ones, every character in its place."""
    if not _WIDE.search(_BETWEEN.join(texts)):
        return texts
    return [_WIDE.sub(lambda match: match.group().translate(_NARROW), text) for text in texts]
