"""What is counted in a text: words, and for Chinese and Japanese characters."""

from __future__ import annotations

import re

IDEOGRAPH = "\u3041-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003ffff"
_UNIT = re.compile(f"[{IDEOGRAPH}]|[^\\W{IDEOGRAPH}]+(?:['’-][^\\W{IDEOGRAPH}]+)*")
_IDEOGRAPH = re.compile(f"[{IDEOGRAPH}]")


def units_of(text: str) -> list[str]:
    """Return the words of a text; in writing without blanks each character is one."""
    return _UNIT.findall(text)


def is_unspaced(units: list[str]) -> bool:
    """Tell whether most units are characters of a writing without blanks."""
    return 2 * sum(map(bool, map(_IDEOGRAPH.match, units))) > len(units)
