"""The FNV-1a hash of 32 bits, and the buckets that GrowthBook makes of it, for experiments that run there already.

References: G. Fowler, L. C. Noll and K.-P. Vo; docs.growthbook.io/lib/build-your-own (hash versions 1 and 2).
"""

from __future__ import annotations

_OFFSET = 0x811C9DC5
_PRIME = 0x01000193


def fnv1a(text: str) -> int:
    """Return the hash of a text in UTF-8, from 0 to 2**32 - 1."""
    value = _OFFSET
    for byte in text.encode():
        value = (value ^ byte) * _PRIME & 0xFFFFFFFF
    return value


def growthbook_position(seed: str, unit: str, version: int = 2) -> float:
    """Return where a unit lies from 0 to 1: one of 1,000 places in version 1, of 10,000 in version 2.

    Raises:
        ValueError: There is no such version.
    """
    if version == 1:
        return fnv1a(unit + seed) % 1000 / 1000
    if version == 2:
        return fnv1a(str(fnv1a(seed + unit))) % 10000 / 10000
    raise ValueError(f"GrowthBook's hash has the versions 1 and 2, not {version}")
