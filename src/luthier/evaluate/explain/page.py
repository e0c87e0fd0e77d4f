"""The page of explanations: texts in colours, one file that opens offline."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from luthier.core.page import render_page
from luthier.evaluate.explain.explain import Explanation, verdict_text
from luthier.evaluate.explain.faithfulness import Verdict

_TITLES = {"shap": "Shapley values", "lime": "LIME", "integrated_gradients": "Integrated gradients"}
_MOST_OPAQUE = 0.75


def render_explanations(
    explanations: Sequence[Explanation], verdict: Verdict, *, model: str, method: str
) -> str:
    """Return the page."""
    return render_page(
        "luthier.evaluate.explain",
        "explain.html.jinja",
        model=model,
        method=_TITLES[method],
        verdict=verdict_text(verdict, len(explanations)),
        is_faithful=verdict.beats_random,
        texts=[_shown(one) for one in explanations],
    )


def _shown(one: Explanation) -> dict[str, Any]:
    most = float(np.abs(one.attribution).max()) or 1.0
    words, place = [], 0
    for word, value in zip(one.words, one.attribution.tolist(), strict=True):
        start = one.text.index(word, place)
        opacity = round(_MOST_OPAQUE * abs(value) / most, 3)
        words.append(
            {
                "before": one.text[place:start],
                "word": word,
                "value": f"{value:+.4f}",
                "colour": f"rgba({'35, 115, 75' if value > 0 else '179, 38, 30'}, {opacity})",
            }
        )
        place = start + len(word)
    order = np.argsort(-np.abs(one.attribution), kind="stable")[:8]
    return {
        "label": one.label,
        "probability": one.probability,
        "words": words,
        "after": one.text[place:],
        "strongest": [(one.words[n], f"{one.attribution[n]:+.4f}") for n in order],
        "gap": one.completeness_gap,
    }
