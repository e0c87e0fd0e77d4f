"""Words that name a group, in pairs, and how they are swapped in English and Chinese texts."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

Pair = tuple[str, str]

_PERSONS = (
    "people", "person", "man", "men", "woman", "women", "guy", "guys", "girl", "girls", "boy", "boys", "kid", "kids",
    "folks", "family", "families",
)  # fmt: skip

WORDS: Mapping[str, Sequence[Pair]] = {
    "gender_en": (
        ("he", "she"), ("himself", "herself"), ("man", "woman"), ("men", "women"), ("boy", "girl"),
        ("boys", "girls"), ("guy", "gal"), ("guys", "gals"), ("father", "mother"), ("fathers", "mothers"),
        ("dad", "mom"), ("son", "daughter"), ("sons", "daughters"), ("brother", "sister"),
        ("brothers", "sisters"), ("husband", "wife"), ("husbands", "wives"), ("boyfriend", "girlfriend"),
        ("uncle", "aunt"), ("nephew", "niece"), ("grandfather", "grandmother"), ("grandpa", "grandma"),
        ("king", "queen"), ("prince", "princess"), ("gentleman", "lady"), ("gentlemen", "ladies"),
        ("sir", "madam"), ("mr", "ms"), ("male", "female"), ("males", "females"), ("actor", "actress"),
        ("waiter", "waitress"),
    ),
    "gender_zh": (
        ("他", "她"), ("男人", "女人"), ("男性", "女性"), ("男生", "女生"), ("男孩", "女孩"), ("男士", "女士"),
        ("先生", "太太"), ("爸爸", "妈妈"), ("父亲", "母亲"), ("儿子", "女儿"), ("哥哥", "姐姐"), ("弟弟", "妹妹"),
        ("丈夫", "妻子"), ("老公", "老婆"), ("爷爷", "奶奶"), ("叔叔", "阿姨"), ("男友", "女友"), ("男朋友", "女朋友"),
        ("男的", "女的"), ("美男", "美女"), ("男权", "女权"), ("男", "女"),
    ),
    "race_en": (
        *((f"black {person}", f"white {person}") for person in _PERSONS),
        ("blacks", "whites"), ("african american", "european american"),
        ("african americans", "european americans"),
        # First names of M. Bertrand and S. Mullainathan, Are Emily and Greg More Employable …?, 2004.
        ("lakisha", "emily"), ("jamal", "greg"), ("aisha", "anne"), ("darnell", "brad"), ("latoya", "meredith"),
        ("tyrone", "todd"), ("tamika", "laurie"),
    ),
    "race_zh": (("黑人", "白人"), ("黑种人", "白种人"), ("非洲", "欧洲"), ("黑妹", "白妹"), ("黑哥", "白哥")),
    "religion_en": (
        ("muslim", "christian"), ("muslims", "christians"), ("islam", "christianity"), ("mosque", "church"),
        ("mosques", "churches"), ("imam", "priest"), ("quran", "bible"), ("islamic", "christian"),
    ),
    "region_zh": (
        ("河南", "浙江"), ("东北", "江南"), ("安徽", "上海"), ("河北", "北京"), ("广西", "广东"), ("四川", "江苏"),
        ("山东", "福建"), ("湖北", "湖南"), ("农村", "城市"), ("乡下人", "城里人"), ("外地人", "本地人"),
    ),
}  # fmt: skip
"""Pairs by kind; each word is swapped for the other."""

_KEPT = {
    "gender_zh": ("其他", "吉他", "他妈", "他国", "他乡", "他人", "男女", "子女", "女娲", "处女", "妇女")
}
"""Words that hold one of a kind's words but name no group."""

_AFTER_OBJECT = frozenset(
    (
        "a", "an", "the", "and", "or", "but", "if", "to", "in", "on", "at", "of", "for", "with", "from", "by", "as",
        "is", "was", "are", "were", "be", "been", "do", "did", "that", "this", "these", "those", "when", "while",
        "who", "what", "how", "why", "because", "so", "than", "then", "there", "here", "again", "today", "yesterday",
        "tomorrow", "now", "out", "up", "down", "off", "not", "never", "always", "i", "you", "he", "she", "it", "we",
        "they",
    )
)  # fmt: skip
"""After "her" one of these shows that it stands for "him", not for "his"."""


@dataclass(frozen=True)
class Swapped:
    """A text with its group words swapped.

    Args:
        text: Afterwards.
        num_first: Words of the first group that became the second's.
        num_second: The other way round.
    """

    text: str
    num_first: int
    num_second: int


class Swapper:
    """Swaps the words of one kind.

    Args:
        kind: A key of `WORDS`; None for own pairs only.
        pairs: Further pairs.
    """

    def __init__(self, kind: str | None, pairs: Iterable[Pair] = ()) -> None:
        chosen = (*(WORDS[kind] if kind else ()), *pairs)
        self._partner: dict[str, str] = {}
        self._is_first: dict[str, bool] = {}
        for first, second in chosen:
            for word, other, is_first in ((first, second, True), (second, first, False)):
                # The first pair that names a word decides what becomes of it.
                self._partner.setdefault(word.casefold(), other)
                self._is_first.setdefault(word.casefold(), is_first)
        self._has_pronouns = kind == "gender_en"
        if self._has_pronouns:
            for word, is_first in (("him", True), ("his", True), ("her", False), ("hers", False)):
                self._is_first[word] = is_first
        kept = _KEPT.get(kind or "", ())
        words = sorted({*self._is_first, *kept}, key=len, reverse=True)
        # Chinese has no spaces between words; a Latin word ends where its letters do.
        self._pattern = re.compile(
            "|".join(
                rf"(?<![A-Za-z]){re.escape(word)}(?![A-Za-z])" if word.isascii() else re.escape(word)
                for word in words
            ),
            re.IGNORECASE,
        )

    def __call__(self, text: str) -> Swapped:
        """Return the text with every word of one group replaced by the other's."""
        counts = [0, 0]

        def swap(found: re.Match[str]) -> str:
            word = found.group()
            key = word.casefold()
            if key not in self._is_first:
                return word
            counts[0 if self._is_first[key] else 1] += 1
            return _in_case_of(word, self._other(key, text[found.end() :]))

        return Swapped(self._pattern.sub(swap, text), *counts)

    def _other(self, word: str, rest: str) -> str:
        if not self._has_pronouns or word not in ("him", "his", "her", "hers"):
            return self._partner[word]
        following = re.match(r"\s+([A-Za-z']+)", rest)
        if word == "him":
            return "her"
        if word == "hers":
            return "his"
        if word == "his":
            return "her" if following else "hers"
        return "his" if following and following.group(1).casefold() not in _AFTER_OBJECT else "him"


def _in_case_of(word: str, other: str) -> str:
    if word.isupper() and len(word) > 1:
        return other.upper()
    return other[:1].upper() + other[1:] if word[:1].isupper() else other
