"""Common Chinese characters by how they sound, so that a text can be mistyped or misheard as people do it."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import Any

from luthier.core.optional import require

_FIRST_COMMON_ROW, _LAST_COMMON_ROW = 0xB0, 0xD7
_FUZZY_INITIALS = (("zh", "z"), ("ch", "c"), ("sh", "s"), ("l", "n"))
_FUZZY_FINALS = (("ang", "an"), ("eng", "en"), ("ing", "in"))


def sounds_of(word: str) -> list[str]:
    """Return the sound of each character of a word, with its tone as a number: ``zhong1``."""
    sounds = _pypinyin().lazy_pinyin(
        word, style=_pypinyin().Style.TONE3, neutral_tone_with_five=True, errors=lambda rest: [""] * len(rest)
    )
    return list(sounds)


def alike(character: str, sound: str) -> Sequence[str]:
    """Return common characters that sound the same as this one, tone and all."""
    return tuple(other for other in _by_sound().get(sound, ()) if other != character)


def nearly_alike(character: str, sound: str) -> Sequence[str]:
    """Return common characters that are typed alike: another tone, or a sound that dialects do not tell apart."""
    key = _typed(sound)
    found = _by_typed_sound().get(key, ()) if key else ()
    return tuple(other for other in found if other != character)


def _typed(sound: str) -> str:
    """Return a sound without its tone and without what many speakers do not distinguish."""
    letters = sound.rstrip("12345")
    for long, short in _FUZZY_INITIALS:
        if letters.startswith(long):
            letters = short + letters[len(long) :]
            break
    for long, short in _FUZZY_FINALS:
        if letters.endswith(long):
            return letters[: -len(long)] + short
    return letters


@cache
def _by_sound() -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for character in _common_characters():
        found.setdefault(sounds_of(character)[0], []).append(character)
    return found


@cache
def _by_typed_sound() -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for sound, characters in _by_sound().items():
        found.setdefault(_typed(sound), []).extend(characters)
    return found


def _common_characters() -> list[str]:
    """Return the 3,755 characters of GB 2312's first level: the standard itself chose them by frequency."""
    rows = range(_FIRST_COMMON_ROW, _LAST_COMMON_ROW + 1)
    codes = (bytes([row, cell]) for row in rows for cell in range(0xA1, 0xFF))
    return [character for code in codes if (character := code.decode("gb2312", "ignore"))]


@cache
def _pypinyin() -> Any:
    return require("pypinyin", extra="data", purpose="finding Chinese characters that sound alike")
