"""Homophone noise: words become others that sound the same, as in dictated or hasty text."""

from __future__ import annotations

from collections.abc import Sequence
from random import Random

from luthier.data.augment.choice import altered, with_case_of
from luthier.data.augment.contract import Edits
from luthier.data.augment.function_words import is_negation
from luthier.data.augment.language import has_chinese
from luthier.data.augment.pinyin import alike, sounds_of

_ENGLISH_GROUPS = """
their there they're|to too two|your you're|its it's|here hear|buy by bye|for four|new knew|right write|
wait weight|week weak|whole hole|sea see|son sun|one won|would wood|where wear|which witch|who's whose|piece peace|
meet meat|mail male|sale sail|cent sent scent|check cheque|break brake|brake break|dear deer|fair fare|flour flower|
great grate|hour our|made maid|main mane|pair pear|plain plane|principal principle|rain reign|road rode|role roll|
root route|scene seen|some sum|stair stare|steal steel|tail tale|than then|threw through|through threw|waist waste|
way weigh|weather whether|affect effect|accept except|allowed aloud|ate eight|bare bear|board bored|capital capitol|
cell sell|cite site sight|coarse course|complement compliment|council counsel|desert dessert|die dye|faze phase|
find fined|guest guessed|heal heel|heard herd|higher hire|knight night|lessen lesson|loan lone|loose lose|
missed mist|morning mourning|passed past|patience patients|pause paws|poor pour|pray prey|presence presents|
rap wrap|read red|ring wring|stationary stationery|suite sweet|team teem|tide tied|toe tow|vain vein|wore war|
""".replace("\n", "")

_ENGLISH: dict[str, list[str]] = {}
for _group in filter(None, _ENGLISH_GROUPS.split("|")):
    for _word in _group.split():
        _others = [other for other in _group.split() if other != _word]
        _ENGLISH[_word] = [*dict.fromkeys([*_ENGLISH.get(_word, []), *_others])]


class Homophones:
    """Replaces words by homophones: English ones by a small table, Chinese ones character by character.

    Args:
        rate: Share of the words to alter.
    """

    kind = "homophones"

    def __init__(self, rate: float = 0.1) -> None:
        self.rate = rate

    def edit_words(self, words: Sequence[str], is_free: Sequence[bool], random: Random) -> Edits:
        """Replace some words."""
        places = [i for i, free in enumerate(is_free) if free]
        able = [i for i in places if not is_negation(words[i])]
        return altered(words, able, len(places), self.rate, lambda word: _misheard(word, random), random)


def _misheard(word: str, random: Random) -> str:
    if not has_chinese(word):
        english = _ENGLISH.get(word.lower().replace("\u2019", "'"))
        return with_case_of(random.choice(english), word) if english else word
    found = {i: others for i, sound in enumerate(sounds_of(word)) if (others := alike(word[i], sound))}
    if not found:
        return word
    index = random.choice(list(found))
    changed = word[:index] + random.choice(found[index]) + word[index + 1 :]
    return word if is_negation(changed) else changed
