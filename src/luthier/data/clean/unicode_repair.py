"""Repair Unicode with ftfy: mojibake of UTF-8, ligatures, stray C1 codes and composed characters."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache
from typing import Any, ClassVar

from luthier.core.optional import require

_SUSPECT = re.compile(
    "[^\t\n\r\\x20-\\x7e\u00b7\u2014\u2018\u2019\u201c\u201d\u2026\u3000-\u3029\u3030-\u303f\u3041-\u3096\u30a1-\u30fa"
    "\u4e00-\u9fff\uff01-\uff5e]"
)
"""Anything but ASCII and everyday Chinese and Japanese, in which ftfy finds nothing to repair."""


@dataclass(frozen=True)
class RepairUnicode:
    """Repair text that was decoded wrongly, and compose its characters (NFC).

    Full-width characters and curly quotes stay: ftfy's own defaults damage Chinese punctuation. Entities,
    line breaks and control characters have operators of their own.
    """

    name: ClassVar[str] = "unicode"
    hint: ClassVar[str] = _SUSPECT.pattern
    """RE2 pattern of all texts that it changes; see `Rewriter`."""

    def __call__(self, text: str) -> str:
        """Return the text repaired, or as it was."""
        if not _SUSPECT.search(text):
            return text
        ftfy, config = _ftfy()
        repaired: str = ftfy.fix_text(text, config)
        return repaired


@cache
def _ftfy() -> tuple[Any, Any]:
    ftfy = require("ftfy", extra="data", purpose="cleaning with `unicode`")
    return ftfy, ftfy.TextFixerConfig(
        unescape_html=False,
        remove_terminal_escapes=False,
        fix_character_width=False,
        uncurl_quotes=False,
        fix_line_breaks=False,
        remove_control_chars=False,
        explain=False,
    )
