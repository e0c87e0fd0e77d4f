"""Prefix and suffix insertion: what people write around a request, before or after it."""

from __future__ import annotations

from collections.abc import Sequence
from random import Random
from typing import Literal

from luthier.data.augment.language import has_chinese, is_chinese

_ENGLISH = {
    "prefix": ("Hi,", "Hello,", "Hello there,", "Hi, I have a question:", "Quick question:", "Excuse me,"),
    "suffix": (
        "Thanks.",
        "Thank you.",
        "Thanks in advance.",
        "Thank you for your help.",
        "Any help is welcome.",
    ),
}
_CHINESE = {
    "prefix": ("您好，", "你好，", "请问一下，", "麻烦问一下，", "打扰了，", "想请教一下，"),
    "suffix": ("谢谢。", "谢谢您。", "麻烦了。", "先谢谢了。", "感谢帮助。"),
}
_ENDS = (".", "!", "?", "…", "。", "！", "？", ")", "）", '"', "”", ":", "：", ";", "；", ",", "，")


class Affix:
    """Puts a phrase before or after a text.

    Args:
        kind: On which side.
        phrases: To choose from. Default: greetings and thanks in the language of the text.
    """

    is_random = True
    is_once_per_row = True

    def __init__(self, kind: Literal["prefix", "suffix"], phrases: Sequence[str] = ()) -> None:
        self.kind: str = kind
        self.phrases = tuple(phrases)

    def rewrite(self, texts: Sequence[str], randoms: Sequence[Random]) -> list[str]:
        """Put a phrase beside each text."""
        return [self._with_phrase(text, random) for text, random in zip(texts, randoms, strict=True)]

    def _with_phrase(self, text: str, random: Random) -> str:
        defaults = _CHINESE if is_chinese(text) else _ENGLISH
        phrase = random.choice(self.phrases or defaults[self.kind])
        if self.kind == "prefix":
            return _joined(phrase, text)
        text = text.rstrip()
        if text and not text.endswith(_ENDS) and phrase[:1].isalnum():
            text += "。" if has_chinese(text[-1]) else "."
        return _joined(text, phrase)


def _joined(first: str, second: str) -> str:
    is_chinese_seam = has_chinese(second[:1]) or first.endswith(("，", "。", "：", "！", "？"))
    is_divided = is_chinese_seam or first[-1:].isspace() or second[:1].isspace()
    return first + second if is_divided else f"{first} {second}"
