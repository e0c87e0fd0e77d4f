"""Explain texts: an attribution for each, and a verdict over all of them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from luthier.evaluate.explain.classifier import ExplainedClassifier
from luthier.evaluate.explain.faithfulness import (
    Faithfulness,
    Verdict,
    check_faithfulness,
    judge_faithfulness,
)
from luthier.evaluate.explain.lime import lime_weights
from luthier.evaluate.explain.shapley import Values, shapley_values
from luthier.evaluate.explain.units import units_of
from luthier.evaluate.statistics import Resampling

Method = Literal["shap", "lime", "integrated_gradients"]
_IG_STEPS = 50


@dataclass(frozen=True)
class Explanation:
    """Why a class is said of a text.

    Args:
        text: The text.
        label: The class that is explained.
        probability: Of it.
        words: Units of the text.
        attribution: Of each; positive speaks for the class.
        completeness_gap: Sum of the attributions less what it must be; None for LIME, which promises no sum.
        faithfulness: Beside random orders.
    """

    text: str
    label: str
    probability: float
    words: list[str]
    attribution: Values
    completeness_gap: float | None
    faithfulness: Faithfulness

    def as_json(self) -> dict[str, Any]:
        """Return what programs read."""
        return {
            "text": self.text,
            "label": self.label,
            "probability": self.probability,
            "words": self.words,
            "attribution": self.attribution.tolist(),
            "completeness_gap": self.completeness_gap,
            "deletion_gain": self.faithfulness.deletion_gain,
            "insertion_gain": self.faithfulness.insertion_gain,
        }


def explain_text(
    classifier: ExplainedClassifier,
    text: str,
    method: Method,
    *,
    label: int | None,
    num_samples: int,
    seed: int,
) -> Explanation:
    """Explain one text with at least one word.

    Args:
        classifier: The model.
        text: The text.
        method: How words are credited.
        label: Number of the class; None explains the most probable one.
        num_samples: Texts with words left out that the model is asked about, for SHAP and LIME.
        seed: Of their choice, and of random orders.
    """
    units = units_of(text)
    spread_C = classifier.spread([text])[0]
    number = int(spread_C.argmax()) if label is None else label
    game = classifier.game(units, number)
    gap: float | None = None
    if method == "integrated_gradients":
        found, gap = classifier.gradients(units, number, num_steps=_IG_STEPS)
    elif method == "lime":
        found = lime_weights(game, len(units), num_samples=num_samples, seed=seed)
    else:
        found = shapley_values(game, len(units), num_samples=num_samples, seed=seed)
        ends = game(np.stack([np.ones(len(units), dtype=bool), np.zeros(len(units), dtype=bool)]))
        gap = float(found.sum() - (ends[0] - ends[1]))
    faithfulness = check_faithfulness(game, found, seed=seed)
    name, probability = classifier.head.labels[number], float(spread_C[number])
    return Explanation(text, name, probability, units.words, found, gap, faithfulness)


def explain_texts(
    classifier: ExplainedClassifier,
    texts: Sequence[str],
    method: Method,
    *,
    label: int | None,
    num_samples: int,
    how: Resampling,
    on_progress: Callable[[int], None] = lambda done: None,
) -> tuple[list[Explanation], Verdict]:
    """Explain texts, and judge whether the explanations hold."""
    explanations = []
    for text in texts:
        explanations.append(
            explain_text(classifier, text, method, label=label, num_samples=num_samples, seed=how.seed)
        )
        on_progress(len(explanations))
    return explanations, judge_faithfulness([one.faithfulness for one in explanations], how)


def verdict_text(verdict: Verdict, num_texts: int) -> str:
    """Return the verdict for people."""
    parts = [
        f"{name} {gain.value:+.3f} ({gain.low:+.3f} to {gain.high:+.3f})"
        for name, gain in (("deletion", verdict.deletion_gain), ("insertion", verdict.insertion_gain))
    ]
    over = "its random orders" if num_texts == 1 else f"random orders over {num_texts} texts"
    figures = f"AOPC beyond {over}: {', '.join(parts)}"
    if verdict.beats_random:
        return f"Faithful: the words that are called important change the answer more than words by chance. {figures}."
    return (
        "NOT proved to be faithful: words by chance may change the answer as much as those that are called important; "
        f"do not rely on this explanation. {figures}."
    )
