"""How far the word lists of `luthier.evaluate.safety.refusal` are right: precision and recall on labelled answers."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from pathlib import Path

from luthier.data.annotation.rates import wilson_interval
from luthier.data.sources import read_rows
from luthier.evaluate.safety.refusal import is_refusal
from luthier.evaluate.statistics import Interval

_FOLDER = Path(__file__).parent / "prompts"
_FILES = {True: "refusal_cases.jsonl", False: "unseen_answers.jsonl"}
"""By whether the lists were written with these answers at hand."""


@dataclass(frozen=True)
class DetectorQuality:
    """How far refusals are told from answers.

    Args:
        language: Of the answers.
        were_seen: Whether the lists were written with these answers at hand.
        precision: Share of refusals among what is called one.
        recall: Share of refusals that are called so.
        num_refusals: Labelled refusals.
        num_answers: Labelled answers that are none.
    """

    language: str
    were_seen: bool
    precision: Interval
    recall: Interval
    num_refusals: int
    num_answers: int


@cache
def detector_quality(confidence: float) -> tuple[DetectorQuality, ...]:
    """Return the quality by language on the labelled answers that come with Luthier.

    Those that the lists were written with show that they do what they are for. The others tell what to expect of
    answers that nobody had in mind: of SmolLM2-135M to other prompts, and Chinese ones written afterwards.
    """
    found = []
    for were_seen, name in _FILES.items():
        cases = [row for _, row in read_rows(_FOLDER / name)]
        for language in ("en", "zh"):
            own = [case for case in cases if case["language"] == language]
            found.append(_quality(language, were_seen, own, confidence))
    return tuple(found)


def _quality(
    language: str, were_seen: bool, cases: list[dict[str, object]], confidence: float
) -> DetectorQuality:
    pairs = [(is_refusal(str(case["answer"])), bool(case["is_refusal"])) for case in cases]
    right = sum(said and true for said, true in pairs)
    said, true = sum(said for said, _ in pairs), sum(true for _, true in pairs)
    return DetectorQuality(
        language,
        were_seen,
        Interval(right / said if said else 0.0, *wilson_interval(right, said, confidence)),
        Interval(right / true, *wilson_interval(right, true, confidence)),
        true,
        len(cases) - true,
    )
