"""Passports and travel permits: forms that many other numbers have, so that a word for a passport decides."""

from __future__ import annotations

import re
from collections.abc import Iterator

from luthier.data.pii.context import has_cue
from luthier.data.pii.finding import Certainty, Finding

HINT = r"[A-Za-zＡ-Ｚａ-ｚ][0-9０-９]{6}|(?i:passport)|[Ｐｐ]|护照|護照"
_CHINESE = re.compile(
    r"[EGDPSegdps](?<![0-9A-Za-z].)(?:[0-9]{8}|(?<=[Ee])[A-HJ-NP-Za-hj-np-z][0-9]{7}|(?<=[DPSdps])[A-Za-z][0-9]{7})(?![0-9A-Za-z])"
)
_PERMIT = re.compile(r"[HMCWT](?<![0-9A-Za-z].)(?:[0-9]{8}|[0-9]{10})(?![0-9A-Za-z])")
_ANY = re.compile(r"[A-Z0-9](?<![0-9A-Za-z].)(?:[A-Z]?[0-9]{6,8}|[0-9]{8})(?![0-9A-Za-z])")
_WORDS = ("护照", "護照", "passport")
_PERMIT_WORDS = ("通行证", "通行證", "回乡证", "permit")
_CUE = re.compile("|".join(_WORDS), re.IGNORECASE)
_PERMIT_CUE = re.compile("|".join(_PERMIT_WORDS), re.IGNORECASE)


def find(text: str) -> Iterator[Finding]:
    """Yield passport numbers: Chinese ones anywhere, others only after a word for a passport or permit."""
    for match in _CHINESE.finditer(text):
        certainty: Certainty = "pattern" if has_cue(text, match.start(), _CUE) else "uncertain"
        yield Finding("passport", match.start(), match.end(), match.group(), certainty)
    lower = text.lower()
    for words, pattern, cue in ((_PERMIT_WORDS, _PERMIT, _PERMIT_CUE), (_WORDS, _ANY, _CUE)):
        if any(word in lower for word in words):
            yield from _after(text, pattern, cue)


def _after(text: str, pattern: re.Pattern[str], cue: re.Pattern[str]) -> Iterator[Finding]:
    for match in pattern.finditer(text):
        if has_cue(text, match.start(), cue):
            yield Finding("passport", match.start(), match.end(), match.group(), "pattern")
