"""Unified social credit codes (GB 32100-2015), the number of every Chinese company and organisation."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Literal

from luthier.data.pii import identity_card
from luthier.data.pii.checks import company_digit, organisation_digit
from luthier.data.pii.finding import Certainty, Finding
from luthier.data.pii.regions import PROVINCES

HINT = r"[1-9ANYany１-９ＡＮＹａｎｙ][1-9１-９][0-9０-９]{6}"
_ANY = "0-9A-HJ-NPQRTUWXYa-hj-npqrtuwxy"
_CODE = re.compile(rf"[1-9ANYany](?<![0-9A-Za-z].)[1-9][0-9]{{6}}[{_ANY}]{{10}}(?![0-9A-Za-z])")
_WHOLE_CODE = re.compile(r"[1-9ANY][1-9][0-9]{6}[0-9A-HJ-NPQRTUWXY]{10}")
_NATION = "10"  # the region of what is registered with the state itself

Fault = Literal["format", "region", "check_digit", "organisation_digit"]
"""What is wrong with a code. The last leaves it a code: some early ones were given so."""


def find(text: str) -> Iterator[Finding]:
    """Yield the company codes in a text."""
    for match in _CODE.finditer(text):
        fault = fault_of(match.group())
        if fault is None or fault == "organisation_digit":
            is_mistyped_identity_card = fault and identity_card.fault_of(match.group()) == "check_digit"
            certainty: Certainty = (
                "uncertain" if is_mistyped_identity_card else "pattern" if fault else "checked"
            )
            yield Finding("company_code", match.start(), match.end(), match.group(), certainty)


def fault_of(code: str) -> Fault | None:
    """Return what is wrong with a code of 18 characters, or None; small letters are taken for capitals."""
    code = code.upper()
    if not _WHOLE_CODE.fullmatch(code):
        return "format"
    if code[2:4] not in PROVINCES and code[2:4] != _NATION:
        return "region"
    if company_digit(code) != code[17]:
        return "check_digit"
    return None if organisation_digit(code[8:16]) == code[16] else "organisation_digit"
