"""Canaries as rows: a secret and alternatives to it, encoded as the training rows are."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from luthier.core.errors import DataError
from luthier.data.example import Example, Rejection
from luthier.data.full_blocks import FillingEncoder
from luthier.data.sample import Message, Sample
from luthier.evaluate.examination import Subject
from luthier.evaluate.memorization.exposure import alternatives, exposure_interval
from luthier.evaluate.statistics import Interval
from luthier.recipe.evaluate_sections.memorization import SECRET, CanarySection


@dataclass(frozen=True)
class CanaryResult:
    """How exposed a canary is.

    Args:
        text: The sentence with its secret.
        num_trained: Training rows that hold it; None where they are unknown.
        tuned: Exposure in bits.
        base: Of the model before tuning; None where it is unknown.
    """

    text: str
    num_trained: int | None
    tuned: Interval
    base: Interval | None


def canary_rows(subject: Subject, canary: CanarySection, number: int, count: int) -> list[Example]:
    """Return the encoded canary with its secret, then with each alternative.

    Args:
        subject: Encodes.
        canary: Of the recipe.
        number: Its place in the recipe, for messages.
        count: Alternatives.

    Raises:
        DataError: A chat model's canary has no prompt, raw text's has one, or it does not fit.
    """
    where = f"evaluate.memorization.canaries[{number}]"
    if subject.template is not None and canary.prompt is None:
        problem = "has no prompt, but the rows of this model are conversations"
        raise DataError(problem, where=where, cure="prompt: the user's turn before the canary")
    if subject.template is None and canary.prompt is not None:
        problem = "has a prompt, but this model was trained on raw text"
        raise DataError(problem, where=f"{where}.prompt", cure="leave it out")
    secrets = [canary.secret, *alternatives(canary.secret, count, subject.how.seed)]
    encoder = subject.objective.encoder
    if isinstance(encoder, FillingEncoder):
        encoder = encoder.by_row
    rows: list[Example] = []
    for secret in secrets:
        text = canary.format.replace(SECRET, secret)
        encoded = encoder(_sample(where, text, canary.prompt))
        if isinstance(encoded, Rejection) or len(encoded) != 1 or encoded[0].num_truncated:
            detail = encoded.detail if isinstance(encoded, Rejection) else "it is longer than data.max_length"
            raise DataError(f"cannot be encoded as a row: {detail}", where=where, cure="shorten it")
        rows.append(encoded[0])
    return rows


def _sample(where: str, text: str, prompt: str | None) -> Sample:
    if prompt is None:
        return Sample(where, 1, text=text)
    return Sample(where, 1, messages=(Message("user", prompt), Message("assistant", text)))


def num_holding(samples: Sequence[Sample], text: str) -> int:
    """Return how many rows hold a text in a turn of theirs, or as raw text."""
    return sum(
        text in (sample.text or "") or any(text in turn.content for turn in sample.messages)
        for sample in samples
    )


def exposures(
    subject: Subject,
    canaries: Sequence[CanarySection],
    tuned: Sequence[Sequence[float]],
    base: Sequence[Sequence[float]] | None,
) -> list[CanaryResult]:
    """Return how exposed each canary is.

    Args:
        subject: Knows the training rows, or not.
        canaries: Of the recipe.
        tuned: Of each canary the losses of its secret and of the alternatives.
        base: Likewise of the model before tuning.
    """
    trained = subject.trained.samples if subject.trained is not None else None
    results = []
    for number, canary in enumerate(canaries):
        of_tuned, of_base = (
            exposure_interval(
                losses[number][0],
                losses[number][1:],
                bits=canary.bits,
                confidence=subject.how.confidence,
            )
            if losses is not None
            else None
            for losses in (tuned, base)
        )
        assert of_tuned is not None
        count = None if trained is None else num_holding(trained, canary.text)
        results.append(CanaryResult(canary.text, count, of_tuned, of_base))
    return results
