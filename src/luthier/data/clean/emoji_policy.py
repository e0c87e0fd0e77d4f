"""Remove emoji, or put their names in their place."""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from functools import cache
from typing import Any, ClassVar, Literal

from luthier.core.optional import require

Policy = Literal["remove", "describe"]
Language = Literal["en", "zh"]

_PICTURED = (
    "\u00a9\u00ae\u203c\u2049\u2122\u2139\u2194-\u21aa\u231a-\u23ff\u24c2\u25aa-\u27bf\u2934\u2935\u2b05-\u2b55"
    "\u3030\u303d\u3297\u3299\U0001f000-\U0001faff"
)
_JOINING = "\u200d\ufe0e\ufe0f\u20e3\U000e0020-\U000e007f"
_RUN = re.compile(f"(?:[0-9#*](?=\ufe0f?\u20e3)|[{_PICTURED}{_JOINING}])+")
"""Characters that emoji are made of, one after the other; only these are given to the slower tokenizer."""

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
        return text if text.isascii() else _RUN.sub(lambda run: self._replaced_run(run.group()), text)

    def _replaced_run(self, run: str) -> str:
        emoji = _emoji()
        parts = []
        for token in emoji.analyze(run, non_emoji=True, join_emoji=True):
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
    if len(chars) > 1:
        return True
    return unicodedata.east_asian_width(chars) == "W" and chars not in _WRITTEN


@cache
def _emoji() -> Any:
    return require("emoji", extra="data", purpose="cleaning with `emoji`")
