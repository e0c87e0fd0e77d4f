"""Wording: numbers with their nouns in the right form."""

from __future__ import annotations


def count_of(number: int, noun: str) -> str:
    """Return a number with its noun: ``1 row``, ``2,000 rows``.

    Args:
        number: How many.
        noun: For one of them; its plural ends in s.
    """
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"
