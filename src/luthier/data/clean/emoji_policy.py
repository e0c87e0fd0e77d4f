"""Remove emoji, or put their names in their place."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache
from typing import Any, ClassVar, Literal

from luthier.core.optional import require

Policy = Literal["remove", "describe"]
Language = Literal["en", "zh"]

_MAY_HOLD = re.compile("[\u00a9\u00ae\u203c-\u3299\ufe0f\U0001f000-\U0001faff]")
_VARIATION = "\ufe0f"
_WRITTEN = frozenset("\u3030\u303d\u3297\u3299")
"""Wide characters of East Asian text that are emoji only where U+FE0F says so."""


@dataclass(frozen=True)
class ReplaceEmoji:
    """Remove emoji or describe them; signs that are text by default (©, ™, ↔) stay.

    Args:
        policy: ``describe`` writes ``:thumbs_up:``.
        language: Of the descriptions.
    """

    name: ClassVar[str] = "emoji"
    policy: Policy = "remove"
    language: Language = "en"

    def __call__(self, text: str) -> str:
        """Return the text without emoji, or with their names."""
        if text.isascii() or not _MAY_HOLD.search(text):
            return text
        emoji = _emoji()
        parts = []
        for token in emoji.analyze(text, non_emoji=True, join_emoji=True):
            is_emoji = not isinstance(token.value, str) and _is_pictured(token.chars)
            parts.append(self._replaced(emoji, token.chars) if is_emoji else token.chars)
        return "".join(parts)

    def _replaced(self, emoji: Any, chars: str) -> str:
        if self.policy == "remove":
            return ""
        described: str = emoji.demojize(chars, language=self.language)
        return described


def _is_pictured(chars: str) -> bool:
    """Tell whether a match is shown as a picture: by default, or because a variation selector says so."""
    import unicodedata

    if len(chars) > 1:
        return True
    return unicodedata.east_asian_width(chars) == "W" and chars not in _WRITTEN


@cache
def _emoji() -> Any:
    return require("emoji", extra="data", purpose="cleaning with `emoji`")
