"""Remove web addresses, or put a mark in their place."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import ClassVar, Literal

Policy = Literal["remove", "mask"]

MARK = "[URL]"

_URL = re.compile(
    r"(?<![A-Za-z0-9])(?:https?://|ftp://|www\.)[A-Za-z0-9\-._~:/?#@!$&'*+,;=%()\[\]]*[A-Za-z0-9/\-_~=#&]",
    re.IGNORECASE,
)
"""ASCII characters only, so that an address ends where Chinese text begins."""


@dataclass(frozen=True)
class ReplaceUrls:
    """Remove or mask http, https, ftp and www addresses.

    Args:
        policy: ``mask`` writes ``[URL]``.
    """

    name: ClassVar[str] = "urls"
    policy: Policy = "remove"

    def __call__(self, text: str) -> str:
        """Return the text without addresses, or with marks."""
        if "://" not in text and "www." not in text.lower():
            return text
        return _URL.sub(MARK if self.policy == "mask" else "", text)
