"""Error rates have the published values of Hugging Face evaluate, and edit distances those of textbooks."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rapidfuzz.distance import Levenshtein

from luthier.evaluate.error_rate import character_error_rate, edit_distance, word_error_rate

PREDICTED = ["this is the prediction", "there is an other sample"]
REFERENCE = ["this is the reference", "there is another one"]


def test_published_values() -> None:
    # github.com/huggingface/evaluate, metrics/cer/README.md and metrics/wer/README.md.
    assert character_error_rate(PREDICTED, REFERENCE) == pytest.approx(0.34146341463414637, abs=1e-12)
    assert character_error_rate(["hello"], ["gracias"]) == 1.0
    assert word_error_rate(PREDICTED, REFERENCE) == 0.5
    assert word_error_rate(["hello world", "good night moon"], ["hi everyone", "have a great day"]) == 1.0


@given(st.text(alphabet="abc好", max_size=12), st.text(alphabet="abc好", max_size=12))
def test_distance_equals_rapidfuzz(first: str, second: str) -> None:
    assert edit_distance(first, second) == Levenshtein.distance(first, second)


def test_chinese_characters_are_characters() -> None:
    assert character_error_rate(["今天天气很好"], ["今天天气良好"]) == pytest.approx(1 / 6)


def test_longer_answers_exceed_one() -> None:
    assert character_error_rate(["aaaa"], ["b"]) == 4.0


def test_empty_references_are_refused() -> None:
    with pytest.raises(ValueError, match="empty"):
        character_error_rate(["a"], [""])
