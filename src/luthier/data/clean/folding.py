"""Fold case and character width, on request only: both lose what a writer meant."""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from typing import ClassVar, Literal

WidthScope = Literal["alphanumeric", "all"]

_FULL_WIDTH = {code: code - 0xFEE0 for code in range(0xFF01, 0xFF5F)}
_ALPHANUMERIC = {code: half for code, half in _FULL_WIDTH.items() if chr(half).isalnum()}
_OTHER_WIDTH = re.compile("[\u3000\uff01-\uffef]+")


@dataclass(frozen=True)
class Lowercase:
    """Write every letter small."""

    name: ClassVar[str] = "lowercase"

    def __call__(self, text: str) -> str:
        """Return the text in lower case."""
        return text.lower()


@dataclass(frozen=True)
class FoldWidth:
    """Give characters their usual width.

    Args:
        scope: ``alphanumeric`` makes full-width Latin letters and digits half-width and leaves Chinese
            punctuation alone; ``all`` folds punctuation, the ideographic blank and half-width kana, too.
    """

    name: ClassVar[str] = "width"
    scope: WidthScope = "alphanumeric"

    def __call__(self, text: str) -> str:
        """Return the text folded."""
        if self.scope == "alphanumeric":
            return text if text.isascii() else text.translate(_ALPHANUMERIC)
        return _OTHER_WIDTH.sub(lambda match: unicodedata.normalize("NFKC", match.group()), text)
