"""Exact match and F1 of answers, as the evaluation scripts of SQuAD 1.1 and 2.0 compute them; Chinese by characters.

References: P. Rajpurkar et al., SQuAD, 2016, section 6.1, and SQuAD 2.0, 2018; for Chinese the script of MLQA
(P. Lewis et al., 2020), whose mixed segmentation is that of CMRC 2018 (Y. Cui et al., 2019).
"""

from __future__ import annotations

import re
import string
import unicodedata
from collections import Counter
from collections.abc import Callable, Sequence

from luthier.data.augment.language import HAN, has_chinese

_ARTICLES = re.compile(r"\b(a|an|the)\b")
_CHARACTER = re.compile(f"([{HAN}])")
_PUNCTUATION = str.maketrans("", "", string.punctuation)


def words_of_answer(text: str, *, is_chinese: bool) -> list[str]:
    """Return the words that are compared: without case, punctuation and English articles.

    Args:
        text: An answer.
        is_chinese: Let each Chinese character be a word, and leave out punctuation of every script. SQuAD's script
            leaves out that of ASCII only, so that a full stop of Chinese would count.
    """
    text = text.lower().translate(_PUNCTUATION)
    if is_chinese:
        text = "".join(c for c in text if not unicodedata.category(c).startswith("P"))
        return _CHARACTER.sub(r" \1 ", text).split()
    return _ARTICLES.sub(" ", text).split()


def exact_match(answer: str, references: Sequence[str]) -> float:
    """Return 1.0 if an answer has the words of one of the references, else 0.0."""
    return _best(answer, references, lambda given, wanted: float(given == wanted))


def f1(answer: str, references: Sequence[str]) -> float:
    """Return the F1 of the words of an answer against the reference that it fits best, from 0 to 1.

    Where the answer or the reference has no word, both must have none.
    """
    return _best(answer, references, _overlap)


def _best(answer: str, references: Sequence[str], score: Callable[[list[str], list[str]], float]) -> float:
    """Return the best score over the references; no references mean that no answer is right."""
    scores = []
    for reference in references or [""]:
        is_chinese = has_chinese(answer) or has_chinese(reference)
        scores.append(score(*(words_of_answer(text, is_chinese=is_chinese) for text in (answer, reference))))
    return max(scores)


def _overlap(given: list[str], wanted: list[str]) -> float:
    if not given or not wanted:
        return float(given == wanted)
    shared = sum((Counter(given) & Counter(wanted)).values())
    if not shared:
        return 0.0
    precision, recall = shared / len(given), shared / len(wanted)
    return 2 * precision * recall / (precision + recall)
