"""A baseline that reads without learning: the sentence of the context that shares most words with the question.

Reference: M. Richardson et al., MCTest, 2013, whose sliding window scores a passage by the words that it shares
with the question; P. Rajpurkar et al., SQuAD, 2016, section 5, compare with it too.
"""

from __future__ import annotations

import math
import re
from collections import Counter

from luthier.data.augment.language import has_chinese
from luthier.data.extractive.squad_score import words_of_answer

_SENTENCE = re.compile(r"[^.!?。！？\n]*(?:[.!?](?!\s|$)[^.!?。！？\n]*)*[.!?。！？]*")


def sentences_of(context: str) -> list[str]:
    """Return the sentences of a text; a full stop inside a number or an abbreviation ends none."""
    return [text for found in _SENTENCE.finditer(context) if (text := found.group().strip())] or [
        context.strip()
    ]


def best_sentence(question: str, context: str) -> str:
    """Return the sentence that shares most words with the question, the first of equal ones.

    Words that stand in many sentences weigh less: by the logarithm of one plus the inverse of their share, as in
    the reference.
    """
    sentences = sentences_of(context)
    is_chinese = has_chinese(context)
    words = [set(words_of_answer(sentence, is_chinese=is_chinese)) for sentence in sentences]
    counts = Counter(word for own in words for word in own)
    asked = set(words_of_answer(question, is_chinese=is_chinese))
    scores = [
        sum(math.log(1.0 + len(sentences) / counts[word]) for word in sorted(asked & own)) for own in words
    ]
    return sentences[scores.index(max(scores))]
