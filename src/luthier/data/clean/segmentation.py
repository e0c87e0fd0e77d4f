"""Segment Chinese into words with jieba, blanks between them, on request: for tools that divide text at blanks."""

from __future__ import annotations

import logging
import re
from dataclasses import dataclass
from functools import cache
from typing import Any, ClassVar

from luthier.core.optional import require

HANZI_RUN = re.compile("[\u3400-\u4dbf\u4e00-\u9fff]+")

_BESIDE_HANZI = re.compile(
    "(?<=[\u3400-\u4dbf\u4e00-\u9fff])(?=[A-Za-z0-9])|(?<=[A-Za-z0-9])(?=[\u3400-\u4dbf\u4e00-\u9fff])"
)


@dataclass(frozen=True)
class SegmentChinese:
    """Put a blank between the words of Chinese text, and between them and Latin letters or digits."""

    name: ClassVar[str] = "segment"

    def __call__(self, text: str) -> str:
        """Return the text segmented."""
        if text.isascii():
            return text
        spaced = HANZI_RUN.sub(lambda run: " ".join(words_of(run.group())), text)
        return _BESIDE_HANZI.sub(" ", spaced)


def words_of(run: str) -> list[str]:
    """Return the words of a run of Chinese characters, by jieba's dictionary; unknown words stay characters.

    Its model of unknown words is off: what it finds depends on what stands beside, and segmenting twice
    would change the text.
    """
    words: list[str] = _jieba().lcut(run, HMM=False)
    return words


@cache
def _jieba() -> Any:
    jieba = require("jieba", extra="data", purpose="segmenting Chinese")
    jieba.setLogLevel(logging.WARNING)
    jieba.initialize()
    return jieba
