"""Draws that a secret key decides: the same text always draws the same, and nobody without the key can tell what."""

from __future__ import annotations

import hashlib
import hmac


def digest(text: str, key: bytes, use: str) -> str:
    """Return 64 hexadecimal digits.

    Args:
        text: What they stand for.
        key: Secret.
        use: What the digits are for; another use gives others.
    """
    return hmac.digest(key, f"{use}|{text}".encode("utf-8", "replace"), hashlib.sha256).hex()


def chosen(text: str, key: bytes, use: str, size: int) -> int:
    """Return a number from 0 below a size; see `digest`."""
    return int(digest(text, key, use), 16) % size
