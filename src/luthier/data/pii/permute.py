"""Keyed permutations: two different values never get the same substitute, and no table is kept."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Callable, Sequence

_ROUNDS = 10
_DIGITS = "0123456789"
_UPPER = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
_LOWER = _UPPER.lower()


def permute(value: int, size: int, key: bytes, tweak: str) -> int:
    """Return the image of a value under a permutation of 0 to ``size`` - 1.

    A Feistel network over two halves of equal width; images beyond ``size`` are permuted again until
    one is within (Black and Rogaway, "Ciphers with Arbitrary Finite Domains", 2002).

    Args:
        value: At least 0 and below ``size``.
        size: How many values there are.
        key: Secret.
        tweak: Each tweak has a permutation of its own.
    """
    if size < 2:
        return value
    width = ((size - 1).bit_length() + 1) // 2
    mask = (1 << width) - 1
    while True:
        left, right = value >> width, value & mask
        for number in range(_ROUNDS):
            message = f"{tweak}|{size}|{number}|{right}".encode()
            left, right = right, left ^ (int.from_bytes(hmac.digest(key, message, hashlib.sha256)) & mask)
        value = left << width | right
        if value < size:
            return value


def permute_characters(
    text: str,
    key: bytes,
    tweak: str,
    *,
    alphabets: Callable[[int, str], str] | None = None,
    is_valid: Callable[[str], bool] = lambda text: True,
) -> str:
    """Return a text of the same shape: each character is replaced by one of its own alphabet.

    Args:
        text: To be replaced; it must be valid itself.
        key: Secret.
        tweak: Each tweak has a permutation of its own.
        alphabets: From place and character to the alphabet it stands for. Default: digits, capitals or
            small letters; all else stays.
        is_valid: Images that are not are permuted again, so that valid texts change places among themselves.
    """
    of = alphabets or (lambda place, character: alphabet_of(character))
    chosen = [of(place, character) or character for place, character in enumerate(text)]
    size = 1
    for alphabet in chosen:
        size *= len(alphabet)
    value = _number(text, chosen)
    while True:
        value = permute(value, size, key, tweak)
        image = _spelt(value, chosen)
        if is_valid(image):
            return image


def alphabet_of(character: str) -> str:
    """Return the alphabet of an ASCII letter or digit, or nothing."""
    return next((alphabet for alphabet in (_DIGITS, _UPPER, _LOWER) if character in alphabet), "")


def _number(text: str, alphabets: Sequence[str]) -> int:
    value = 0
    for character, alphabet in zip(text, alphabets, strict=True):
        value = value * len(alphabet) + alphabet.index(character)
    return value


def _spelt(value: int, alphabets: Sequence[str]) -> str:
    characters = []
    for alphabet in reversed(alphabets):
        value, place = divmod(value, len(alphabet))
        characters.append(alphabet[place])
    return "".join(reversed(characters))
