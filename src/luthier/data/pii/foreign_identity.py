"""Identity numbers beyond mainland China: Hong Kong, Taiwan, Korea (RRN) and the United States (SSN)."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import date

from luthier.data.pii.context import has_cue
from luthier.data.pii.finding import Certainty, Finding

HINT = r"[0-9０-９]{3}[-. ]?[0-9０-９]{2}[-. ]?[0-9０-９]|[A-ZＡ-Ｚ][0-9０-９]{6}"
_US = re.compile(r"[0-8](?<![0-9A-Za-z.-].)[0-9]{2}([-. ]?)[0-9]{2}([-. ]?)[0-9]{4}(?![0-9A-Za-z]|[-.][0-9])")
_US_CUE = re.compile(r"social security|\bssn\b|社会安全|社保号", re.IGNORECASE)
_KOREA = re.compile(r"[0-9](?<![0-9A-Za-z.-].)[0-9]{5}(-?)[1-4][0-9]{6}(?![0-9A-Za-z]|[-.][0-9])")
_HONG_KONG = re.compile(r"[A-Z](?<![0-9A-Za-z].)[A-Z]?[0-9]{6} ?(?:[(（][0-9A][)）]|[0-9A](?![0-9A-Za-z]))")
_TAIWAN = re.compile(r"[A-Z](?<![0-9A-Za-z].)[1289][0-9]{8}(?![0-9A-Za-z])")
_IDENTITY_CUE = re.compile(r"身份|身分|證號|证号|证件|統一編號|identity|hkid|\bid\b", re.IGNORECASE)
_KOREA_WEIGHTS = (2, 3, 4, 5, 6, 7, 8, 9, 2, 3, 4, 5)
_TAIWAN_LETTERS = "ABCDEFGHJKLMNPQRSTUVXYWZIO"  # A is 10, B is 11, ... as the household registry counts them


def find(text: str) -> Iterator[Finding]:
    """Yield the identity numbers in a text."""
    for find_one in (find_us, find_korean, _find_hong_kong, _find_taiwanese):
        yield from find_one(text)


def find_us(text: str) -> Iterator[Finding]:
    """Yield social security numbers; without two equal separators they are uncertain."""
    for match in _US.finditer(text):
        digits = re.sub(r"[^0-9]", "", match.group())
        first, second = match.groups()
        is_issued = digits[:3] not in ("000", "666") and digits[3:5] != "00" and digits[5:] != "0000"
        is_named = has_cue(text, match.start(), _US_CUE)
        if not is_issued or (first and second and first != second) or not (first or second or is_named):
            continue
        is_certain = is_named or (first == second == "-")
        certainty: Certainty = "pattern" if is_certain else "uncertain"
        yield Finding("foreign_identity", match.start(), match.end(), match.group(), certainty)


def find_korean(text: str) -> Iterator[Finding]:
    """Yield resident registration numbers; those given since 2020 have no check digit."""
    for match in _KOREA.finditer(text):
        digits = match.group().replace("-", "")
        century = "19" if digits[6] in "12" else "20"
        if not _is_date(century + digits[:6]):
            continue
        total = sum(int(d) * weight for d, weight in zip(digits[:12], _KOREA_WEIGHTS, strict=True))
        is_checked = (11 - total % 11) % 10 == int(digits[12])
        certainty: Certainty = ("checked" if is_checked else "pattern") if match[1] else "uncertain"
        yield Finding("foreign_identity", match.start(), match.end(), match.group(), certainty)


def _find_hong_kong(text: str) -> Iterator[Finding]:
    for match in _HONG_KONG.finditer(text):
        bare = re.sub(r"[^0-9A-Z]", "", match.group()).rjust(9)
        values = [36 if c == " " else int(c, 36) for c in bare[:8]]
        total = sum(value * weight for value, weight in zip(values, range(9, 1, -1), strict=True))
        if "0123456789A"[-total % 11] != bare[8]:
            continue
        is_certain = match.group()[-1] in ")）" or has_cue(text, match.start(), _IDENTITY_CUE)
        certainty: Certainty = "checked" if is_certain else "uncertain"
        yield Finding("foreign_identity", match.start(), match.end(), match.group(), certainty)


def _find_taiwanese(text: str) -> Iterator[Finding]:
    for match in _TAIWAN.finditer(text):
        number = match.group()
        letter = 10 + _TAIWAN_LETTERS.index(number[0])
        total = letter // 10 + letter % 10 * 9
        total += sum(int(d) * weight for d, weight in zip(number[1:9], range(8, 0, -1), strict=True))
        if (total + int(number[9])) % 10:
            continue
        certainty: Certainty = "checked" if has_cue(text, match.start(), _IDENTITY_CUE) else "uncertain"
        yield Finding("foreign_identity", match.start(), match.end(), number, certainty)


def _is_date(digits: str) -> bool:
    try:
        return date(int(digits[:4]), int(digits[4:6]), int(digits[6:])) <= date.today()
    except ValueError:
        return False
