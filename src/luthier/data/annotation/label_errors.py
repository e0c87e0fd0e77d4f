"""Label errors by confident learning: rows whose label a classifier that never saw them does not believe."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from luthier.core.errors import DataError
from luthier.core.optional import require
from luthier.core.wording import count_of
from luthier.data.annotation.classifier import cross_validated

# Shapes: N rows, L labels.

Filter = Literal[
    "low_normalized_margin",
    "low_self_confidence",
    "confident_learning",
    "both",
    "prune_by_noise_rate",
    "prune_by_class",
    "predicted_neq_given",
]
"""cleanlab's rules: how it chooses among the rows, most of them as many as it estimates to be wrong."""


@dataclass(frozen=True)
class Suspect:
    """A row whose label is probably wrong.

    Args:
        index: Of the row, from 0.
        label: That it has.
        suggestion: What the classifier believes.
        quality: Normalised margin: 0.5 where label and best other label are equally probable, 0 where the classifier is
            sure of the other.
        label_probability: Of the label that it has.
        suggestion_probability: Of the suggestion.
    """

    index: int
    label: str
    suggestion: str
    quality: float
    label_probability: float
    suggestion_probability: float


@dataclass(frozen=True)
class Findings:
    """Suspects, and what was not judged.

    Args:
        suspects: Most suspicious first.
        num_judged: Rows that were judged.
        unjudged: Labels too rare to judge, with their numbers of rows.
        accuracy: Share of rows on which label and classifier agree: below it, suspicions are worth little.
    """

    suspects: tuple[Suspect, ...]
    num_judged: int
    unjudged: dict[str, int]
    accuracy: float


def find_label_errors(
    vectors: NDArray[np.float32],
    labels: Sequence[str],
    *,
    num_folds: int = 5,
    seed: int = 0,
    filter_by: Filter = "low_normalized_margin",
    on_fold: Callable[[int], None] = lambda fold: None,
) -> Findings:
    """Return the rows whose label is probably wrong.

    Args:
        vectors: Embeddings [N, D].
        labels: Of each row.
        num_folds: Each row is judged by a classifier trained on the other folds; rows of rarer labels are not judged.
        seed: Of the folds.
        filter_by: cleanlab's rule.
        on_fold: Told how many folds are done.

    Raises:
        DataError: Fewer than two labels have enough rows.
        MissingDependencyError: The extra ``annotation`` is not installed.

    Reference: Northcutt, Jiang and Chuang (2021), Confident Learning: Estimating Uncertainty in Dataset Labels.
    """
    cleanlab = require("cleanlab.filter", extra="annotation", purpose="confident learning")
    counts = Counter(labels)
    unjudged = {label: count for label, count in sorted(counts.items()) if count < num_folds}
    names = sorted(counts.keys() - unjudged.keys())
    if len(names) < 2:
        problem = (
            f"rows enough for {num_folds} folds has {count_of(len(names), 'label')}; two at least are needed"
        )
        raise DataError(problem, cure="use fewer folds, or more rows")
    index = {name: number for number, name in enumerate(names)}
    judged = np.array([row for row, label in enumerate(labels) if label in index])
    labels_N = np.array([index[labels[row]] for row in judged])
    probabilities_NL = cross_validated(
        vectors[judged], labels_N, num_folds=num_folds, seed=seed, on_fold=on_fold
    )
    found = cleanlab.find_label_issues(
        labels_N,
        probabilities_NL,
        filter_by=filter_by,
        return_indices_ranked_by="normalized_margin",
        n_jobs=1,
    )
    believed_N = probabilities_NL.argmax(axis=1)
    own_N, best_N = probabilities_NL[np.arange(len(labels_N)), labels_N], probabilities_NL.max(axis=1)
    suspects = tuple(
        Suspect(
            index=int(judged[row]),
            label=names[labels_N[row]],
            suggestion=names[believed_N[row]],
            quality=float(0.5 + (own_N[row] - best_N[row]) / 2),
            label_probability=float(own_N[row]),
            suggestion_probability=float(best_N[row]),
        )
        for row in found
    )
    return Findings(suspects, len(judged), unjudged, float((believed_N == labels_N).mean()))
