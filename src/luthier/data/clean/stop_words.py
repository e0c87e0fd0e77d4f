"""Remove stop words, English and Chinese, on request: for statistics and classic classifiers, not for instruction."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from typing import ClassVar, Literal

from luthier.data.clean.segmentation import HANZI_RUN, words_of

Language = Literal["en", "zh"]

_ENGLISH = """
a about above after again against all am an and any are as at be because been before being below between both
but by can could did do does doing down during each few for from further had has have having he her here hers
herself him himself his how i if in into is it its itself just me more most my myself of off on once only or
other our ours ourselves out over own same she should so some such than that the their theirs them themselves
then there these they this those through to too under until up very was we were what when where which while
who whom why will with would you your yours yourself yourselves
"""
ENGLISH = frozenset(_ENGLISH.split())

_CHINESE = """
的 了 和 是 就 都 而 及 与 着 或 一个 没有 我们 你们 他们 她们 它们 我 你 您 他 她 它 这 那 这个 那个 这些
那些 这里 那里 这样 那样 之 在 也 还 又 很 更 最 被 把 给 让 向 往 从 到 对 对于 关于 由 于 以 以及 因 因为
所以 如果 但 但是 不过 并 并且 而且 或者 还是 虽然 然而 然后 于是 因此 此 其 其中 某 每 各 该 本 等 等等 吗
呢 吧 啊 呀 哦 哈 嗯 么 嘛 啦 呗 地 得 过 们 个 只 才 再 已 已经 将 会 能 可以 可 要 想 就是 也是 不是 只是
什么 怎么 怎样 为什么 哪 哪个 哪里 谁 多少 几 自己 之后 之前 当 比 跟 同 用 则 却 若 即 既 且 虽 虽说 倘若
不仅 只要 只有 无论 不管 除了 随着 按照 根据 通过 为了 为 所 有 无 非 上 下 里 中 内 外
"""
CHINESE = frozenset(_CHINESE.split())
"""Function words. Negations are in neither list (not, 不, 没): they turn a meaning round."""


@dataclass(frozen=True)
class RemoveStopWords:
    """Remove words that carry grammar, not meaning.

    Args:
        languages: Lists to use; Chinese text is segmented with jieba to find them.
        words: More words to remove, in any language.
    """

    name: ClassVar[str] = "stop_words"
    languages: tuple[Language, ...] = ("en", "zh")
    words: tuple[str, ...] = ()

    def __call__(self, text: str) -> str:
        """Return the text without stop words."""
        spaced = _spaced_words(self._spaced())
        if spaced:
            text = spaced.sub("", text)
        chinese = self._chinese()
        if not chinese or text.isascii():
            return text
        return HANZI_RUN.sub(lambda run: "".join(w for w in words_of(run.group()) if w not in chinese), text)

    def _spaced(self) -> frozenset[str]:
        own = frozenset(word.lower() for word in self.words if not HANZI_RUN.search(word))
        return own | ENGLISH if "en" in self.languages else own

    def _chinese(self) -> frozenset[str]:
        own = frozenset(word for word in self.words if HANZI_RUN.search(word))
        return own | CHINESE if "zh" in self.languages else own


@cache
def _spaced_words(words: frozenset[str]) -> re.Pattern[str] | None:
    if not words:
        return None
    listed = "|".join(sorted(map(re.escape, _with_apostrophes(words)), key=len, reverse=True))
    return re.compile(rf"(?<![A-Za-z0-9_'’-])(?:{listed})(?![A-Za-z0-9_'’-])[ \t]?", re.IGNORECASE)


def _with_apostrophes(words: Iterable[str]) -> set[str]:
    return {form for word in words for form in (word, word.replace("'", "’"))}
