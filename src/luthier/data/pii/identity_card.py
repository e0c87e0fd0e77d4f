"""Identity cards of China (GB 11643-1999): 18 characters with a check digit, and the old form of 15 digits."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import date
from typing import Literal

from luthier.data.pii.checks import mod_11_2_digit
from luthier.data.pii.context import has_cue
from luthier.data.pii.finding import Finding
from luthier.data.pii.regions import PROVINCES, county_years

HINT = r"[0-9０-９]{6}[ -]?[0-9０-９]{6}"
_NUMBER = re.compile(
    r"[1-8](?<![0-9].)(?<![0-9]\..)[0-9]{5}[ -]?(?:18|19|20)[0-9]{2}(?:0[1-9]|1[0-2])(?:0[1-9]|[12][0-9]|3[01])"
    r"[ -]?[0-9]{3}[0-9Xx](?![0-9A-Za-z])"
)
_OLD_NUMBER = re.compile(
    r"[1-8](?<![0-9A-Za-z.].)[0-9]{5}[0-9]{2}(?:0[1-9]|1[0-2])(?:0[1-9]|[12][0-9]|3[01])[0-9]{3}(?![0-9A-Za-z.])"
)
_CUE = re.compile(r"身份|证件|证号|identity|\bid\b", re.IGNORECASE)

Fault = Literal["format", "birth_date", "region", "check_digit", "county", "county_at_birth"]
"""What is wrong with a number. The last two leave it a card: regions are recoded, and numbers were given late."""

_MINOR: frozenset[str] = frozenset(("county", "county_at_birth"))


def find(text: str) -> Iterator[Finding]:
    """Yield the identity cards in a text."""
    for match in _NUMBER.finditer(text):
        fault = fault_of(_bare(match.group()))
        if fault is None or fault in _MINOR:
            yield Finding("identity_card", match.start(), match.end(), match.group(), "checked")
    for match in _OLD_NUMBER.finditer(text):
        digits = match.group()
        if digits[:2] in PROVINCES and _is_date("19" + digits[6:12]) and has_cue(text, match.start(), _CUE):
            yield Finding("identity_card", match.start(), match.end(), digits, "pattern")


def fault_of(number: str) -> Fault | None:
    """Return what is wrong with a number of 18 characters, or None.

    Args:
        number: Without spaces; a small ``x`` is taken for the capital.
    """
    number = number.upper()
    if not re.fullmatch(r"[0-9]{17}[0-9X]", number):
        return "format"
    if number[:2] not in PROVINCES:
        return "region"
    if not _is_date(number[6:14]):
        return "birth_date"
    if mod_11_2_digit(number[:17]) != number[17]:
        return "check_digit"
    years = county_years().get(number[:6])
    if years is None:
        return "county"
    return None if years[0] <= int(number[6:10]) <= years[1] else "county_at_birth"


def _bare(number: str) -> str:
    return number.replace(" ", "").replace("-", "")


def _is_date(digits: str) -> bool:
    try:
        born = date(int(digits[:4]), int(digits[4:6]), int(digits[6:8]))
    except ValueError:
        return False
    return born.year >= 1850 and born <= date.today()
