"""Sentence reordering: the sentences of a text in another order."""

from __future__ import annotations

import re
from collections.abc import Sequence
from random import Random

_SENTENCE = re.compile(r".+?(?:[.!?…]+[\"'”’)]*(?=\s|\Z)|[。！？；…]+[”’）」』]*|\n+|\Z)\s*", re.DOTALL)
_ABBREVIATION = re.compile(r"(?:\b(?:Mr|Mrs|Ms|Dr|Prof|St|vs|etc|e\.g|i\.e|No|[A-Z])\.)\s*\Z")


class SentenceOrder:
    """Shuffles the sentences of a text that has several; lines stay lines."""

    kind = "sentence_order"
    is_random = True
    is_once_per_row = False

    def rewrite(self, texts: Sequence[str], randoms: Sequence[Random]) -> list[str]:
        """Reorder each text."""
        return [_shuffled(text, random) for text, random in zip(texts, randoms, strict=True)]


def sentences_of(text: str) -> list[str]:
    """Return the sentences of a text, each with its mark and the white space behind it; joined, they are the text."""
    sentences: list[str] = []
    for match in _SENTENCE.finditer(text):
        if sentences and (_ABBREVIATION.search(sentences[-1]) or not match.group().strip()):
            sentences[-1] += match.group()
        else:
            sentences.append(match.group())
    return sentences


def _shuffled(text: str, random: Random) -> str:
    sentences = sentences_of(text)
    if len({sentence.strip() for sentence in sentences}) < 2:
        return text
    # White space belongs to the place, not to the sentence: paragraphs keep their shape.
    bodies = [sentence.rstrip() for sentence in sentences]
    gaps = [sentence[len(body) :] for sentence, body in zip(sentences, bodies, strict=True)]
    order = list(bodies)
    while order == bodies:
        random.shuffle(order)
    return "".join(body + gap for body, gap in zip(order, gaps, strict=True))
