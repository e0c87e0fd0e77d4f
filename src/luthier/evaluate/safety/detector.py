"""How far the word lists of `luthier.evaluate.safety.refusal` are right: precision and recall on labelled answers."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from pathlib import Path

from luthier.data.annotation.rates import wilson_interval
from luthier.data.sources import read_rows
from luthier.evaluate.safety.refusal import is_refusal
from luthier.evaluate.statistics import Interval

_CASES = Path(__file__).parent / "prompts" / "refusal_cases.jsonl"


@dataclass(frozen=True)
class DetectorQuality:
    """How far refusals are told from answers.

    Args:
        language: Of the answers.
        precision: Share of refusals among what is called one.
        recall: Share of refusals that are called so.
        num_refusals: Labelled refusals.
        num_answers: Labelled answers that are none.
    """

    language: str
    precision: Interval
    recall: Interval
    num_refusals: int
    num_answers: int


@cache
def detector_quality(confidence: float) -> tuple[DetectorQuality, ...]:
    """Return the quality by language on the labelled answers that come with Luthier.

    They were written with the lists, traps included: a check that the lists do what they are for, and an upper limit
    of what to expect of other models' words.
    """
    cases = [row for _, row in read_rows(_CASES)]
    return tuple(
        _quality(language, [case for case in cases if case["language"] == language], confidence)
        for language in ("en", "zh")
    )


def _quality(language: str, cases: list[dict[str, object]], confidence: float) -> DetectorQuality:
    pairs = [(is_refusal(str(case["answer"])), bool(case["is_refusal"])) for case in cases]
    right = sum(said and true for said, true in pairs)
    said, true = sum(said for said, _ in pairs), sum(true for _, true in pairs)
    return DetectorQuality(
        language,
        Interval(right / said if said else 0.0, *wilson_interval(right, said, confidence)),
        Interval(right / true, *wilson_interval(right, true, confidence)),
        true,
        len(cases) - true,
    )
