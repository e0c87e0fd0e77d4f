"""Convert between Traditional and Simplified Chinese with OpenCC, word by word."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache
from typing import Any, ClassVar, Literal

from luthier.core.optional import require

Conversion = Literal["t2s", "tw2s", "tw2sp", "hk2s", "s2t", "s2tw", "s2twp", "s2hk"]

_HANZI = re.compile("[\u2e80-\u2fdf\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003ffff]")


_SCRIPT_ALONE = {"tw2sp": "t2s", "s2twp": "s2t"}
"""For conversions with the words of a place: the one that converts characters only."""


@dataclass(frozen=True)
class ConvertChinese:
    """Convert Chinese characters.

    Args:
        conversion: OpenCC's name: t Traditional, s Simplified, tw Taiwan, hk Hong Kong, a trailing p with
            the words of the place, too.
    """

    name: ClassVar[str] = "chinese_script"
    conversion: Conversion = "t2s"

    def __call__(self, text: str) -> str:
        """Return the text converted."""
        if text.isascii() or not _HANZI.search(text):
            return text
        script = _SCRIPT_ALONE.get(self.conversion)
        if script and _converter(script).convert(text) == text:
            return text  # it is in the script already: converting words again would spoil them
        converted: str = _converter(self.conversion).convert(text)
        return converted


@cache
def _converter(conversion: str) -> Any:
    opencc = require("opencc", extra="data", purpose="cleaning with `chinese_script`")
    return opencc.OpenCC(conversion)
