"""Chinese number plates (GA 36-2018): private cars, new energy, police, trailers, learners, embassies."""

from __future__ import annotations

import re
from collections.abc import Iterator

from luthier.data.pii.finding import Finding

PROVINCES = "京津沪渝冀豫云辽黑湘皖鲁新苏浙赣鄂桂甘晋蒙陕吉闽贵粤青藏川宁琼"
LETTERS = "ABCDEFGHJKLMNPQRSTUVWXYZ"  # I and O look like digits
NEW_ENERGY = "DFABCEGHJK"
HINT = rf"[{PROVINCES}使领][A-ZＡ-Ｚ0-9０-９·• ][·• ]?[0-9A-Z０-９Ａ-Ｚ]{{2}}"
_ANY = f"[0-9{LETTERS}]"
_PLATE = re.compile(
    rf"[{PROVINCES}][{LETTERS}][·• ]?(?:(?=[{LETTERS}0-9]*[0-9])"
    rf"(?:{_ANY}{{4}}[挂学警港澳领使]|{_ANY}{{5}}(?![0-9A-Za-z]))"
    rf"|(?:[{NEW_ENERGY}]{_ANY}[0-9]{{4}}|[0-9]{{5}}[{NEW_ENERGY}])(?![0-9A-Za-z]))"
    rf"|使[0-9]{{6}}(?![0-9])|领[0-9]{{5}}(?![0-9])"
)


def find(text: str) -> Iterator[Finding]:
    """Yield the number plates in a text."""
    for match in _PLATE.finditer(text):
        yield Finding("licence_plate", match.start(), match.end(), match.group(), "pattern")
