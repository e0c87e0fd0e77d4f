"""Exposure: how much likelier a model finds a secret that it was trained on than others of the same form.

Reference: N. Carlini et al., The Secret Sharer, 2019 (arXiv:1802.08232): the exposure of a canary is log2 of the number
of possible secrets less log2 of its rank among them; by sampling, that of the alternatives that were drawn.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from luthier.data.annotation.rates import wilson_interval
from luthier.evaluate.statistics import Interval

_DIGITS = "0123456789"
_SMALL = "abcdefghijklmnopqrstuvwxyz"
_LARGE = _SMALL.upper()


def exposure(secret: float, references: Sequence[float]) -> float:
    """Return log2 of the number of references less log2 of the secret's rank, in bits.

    Args:
        secret: Perplexity or loss of the secret; lower is likelier.
        references: The same of other secrets.

    Reference: equals ``compute_exposure_interpolation`` of TensorFlow Privacy.
    """
    rank = 1 + sum(reference < secret for reference in references)
    return math.log2(len(references)) - math.log2(rank)


def exposure_interval(
    secret: float, references: Sequence[float], *, bits: float, confidence: float
) -> Interval:
    """Return the exposure with its interval, which follows from how few alternatives were drawn.

    Args:
        secret: Loss of the secret.
        references: Losses of alternatives drawn at random.
        bits: Of all possible secrets: no exposure is higher.
        confidence: Coverage.
    """
    value = exposure(secret, references)
    better = sum(reference < secret for reference in references)
    low, high = wilson_interval(better, len(references), confidence)
    most = bits if not better or low <= 0 else min(bits, -math.log2(low))
    return Interval(value, min(value, -math.log2(high)), max(value, most))


def alternatives(secret: str, count: int, seed: int) -> list[str]:
    """Return other secrets of the same form, each once: digits for digits, Latin letters for letters.

    Args:
        secret: What they are like.
        count: How many; far fewer than there are.
        seed: Of the draws.
    """
    generator = np.random.default_rng(seed)
    drawn: dict[str, None] = {}
    while len(drawn) < count:
        other = "".join(_like(character, generator) for character in secret)
        if other != secret:
            drawn[other] = None
    return list(drawn)


def _like(character: str, generator: np.random.Generator) -> str:
    for kind in (_DIGITS, _SMALL, _LARGE):
        if character in kind:
            return kind[int(generator.integers(len(kind)))]
    return character
