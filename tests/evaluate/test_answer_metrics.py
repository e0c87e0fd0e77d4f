"""Metrics of answers between two models: the value of the whole, an interval around it, a paired test."""

from __future__ import annotations

import numpy as np
import pytest
from sacrebleu.metrics import BLEU, CHRF

from luthier.core.errors import DataError
from luthier.evaluate.answer_metrics import ANSWER_METRICS
from luthier.evaluate.answers import Question
from luthier.evaluate.byte_perplexity import supervised_bytes
from luthier.evaluate.error_rate import character_error_rate
from luthier.evaluate.loss import RowLosses
from luthier.evaluate.metrics import Comparison, compare_answers, compare_byte_perplexity
from luthier.evaluate.statistics import Resampling

HOW = Resampling(200, 0.95, 0)
REFERENCES = [
    f"the number {n} is written in a row of words" for n in ("one", "two", "three", "four", "five", "six")
] * 4
QUESTIONS = [Question(f"row {n}", "?", [1], text) for n, text in enumerate(REFERENCES)]
GOOD = [text.replace("a row", "the row") for text in REFERENCES]
BAD = ["no no no no no no no" for _ in REFERENCES]


def _compared(base: list[str], tuned: list[str]) -> dict[str, Comparison]:
    return {c.metric: c for c in compare_answers(QUESTIONS, base, tuned, list(ANSWER_METRICS), HOW)}


def test_values_are_those_of_the_libraries() -> None:
    found = _compared(BAD, GOOD)
    assert found["bleu"].tuned.value == pytest.approx(BLEU().corpus_score(GOOD, [REFERENCES]).score)
    assert found["chrf"].tuned.value == pytest.approx(CHRF().corpus_score(GOOD, [REFERENCES]).score)
    assert found["cer"].base.value == pytest.approx(character_error_rate(BAD, REFERENCES))
    assert found["distinct_2"].base.value == pytest.approx(1 / 6)
    assert found["length_ratio"].tuned.value == 1.0


def test_sacrebleus_signature_stands_beside_its_metrics() -> None:
    found = _compared(BAD, GOOD)
    for name, metric in (("bleu", BLEU()), ("chrf", CHRF())):
        metric.corpus_score(GOOD, [REFERENCES])
        assert found[name].signature == str(metric.get_signature())
    assert found["cer"].signature == ""


def test_difference_is_found_and_its_direction_known() -> None:
    for name, comparison in _compared(BAD, GOOD).items():
        assert comparison.tuned.low <= comparison.tuned.value <= comparison.tuned.high
        assert comparison.title == ANSWER_METRICS[name].title
        assert comparison.p_value < 0.02
        if comparison.improvement is not None:
            assert comparison.improvement.low > 0
    assert _compared(BAD, GOOD)["cer"].lower_is_better


def test_same_answers_are_no_difference() -> None:
    assert all(comparison.p_value == 1.0 for comparison in _compared(GOOD, GOOD).values())


def test_only_what_is_asked_for_is_measured() -> None:
    assert [c.metric for c in compare_answers(QUESTIONS, BAD, GOOD, ["cer", "rouge"], HOW)] == [
        "rouge_l",
        "cer",
    ]


def test_empty_answers_are_measured() -> None:
    found = _compared(["" for _ in REFERENCES], GOOD)
    assert found["bleu"].base.value == found["chrf"].base.value == found["distinct_2"].base.value == 0.0
    assert found["cer"].base.value == 1.0


def test_perplexity_per_byte_does_not_depend_on_the_tokens() -> None:
    """Half as many tokens with twice the loss each say the same of the text."""
    sums, bytes_N = np.array([12.0, 30.0]), np.array([10.0, 25.0])
    many, few = RowLosses(sums, np.array([8, 20])), RowLosses(sums, np.array([4, 10]))
    found = compare_byte_perplexity(many, few, bytes_N, HOW)
    assert found.base.value == found.tuned.value == pytest.approx(np.exp(42 / 35))  # exp(nats / bytes)
    with pytest.raises(DataError, match="predict no text"):
        compare_byte_perplexity(many, few, bytes_N * 0, HOW)


def test_bytes_are_those_of_the_predicted_text() -> None:
    from luthier.data.example import IGNORED, Example
    from tests.models.tiny_chat import make_chat_tokenizer

    tokenizer = make_chat_tokenizer()
    answer = [*tokenizer("你好 naïve")["input_ids"], tokenizer.convert_tokens_to_ids("<|im_end|>")]
    prompt = tokenizer("What is the time?")["input_ids"]
    ids = np.array([*prompt, *answer], dtype=np.int32)
    labels = np.array([*[IGNORED] * len(prompt), *answer], dtype=np.int32)
    row = Example(input_ids=ids, labels=labels, source="a.jsonl", row=1)
    assert supervised_bytes([row], tokenizer).tolist() == [len("你好 naïve".encode())]
