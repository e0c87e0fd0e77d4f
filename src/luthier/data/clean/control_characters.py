"""Remove characters that nobody sees and no text needs: control codes, terminal colours, byte-order marks."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import ClassVar

_TERMINAL_COLOUR = "\x1b\\[[0-9;?]*[A-Za-z]"
_CONTROL = "[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x84\x86-\x9f]"
_INVISIBLE = "[\u00ad\u200b\u2060-\u2064\u206a-\u206f\ufeff\ufff9-\ufffb\ufffe\uffff]"
_REMOVED = re.compile(f"{_TERMINAL_COLOUR}|{_CONTROL}|{_INVISIBLE}")


@dataclass(frozen=True)
class RemoveControlCharacters:
    """Remove control codes except tab and line breaks, terminal colours, and invisible characters.

    Soft hyphens, zero-width spaces and byte-order marks go. Joiners (U+200C, U+200D), which emoji and
    Persian need, and marks of writing direction stay.
    """

    name: ClassVar[str] = "control_characters"
    hint: ClassVar[str] = _REMOVED.pattern
    """RE2 pattern of all texts that it changes; see `Rewriter`."""

    def __call__(self, text: str) -> str:
        """Return the text without them."""
        return _REMOVED.sub("", text)
