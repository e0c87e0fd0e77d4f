"""A classifier of embedded texts: logistic regression, trained at once or by cross-validation."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from luthier.core.errors import DataError
from luthier.core.optional import require
from luthier.core.wording import count_of

# Shapes: N texts, L labels, D width of the embedding.

FloatArray = NDArray[np.float64]
Embed = Callable[[Sequence[str]], NDArray[np.float32]]
"""Texts in, vectors [N, D] of unit length out."""

_STRENGTH = 10.0
"""Inverse of the penalty (``C``): vectors of unit length need larger weights than scikit-learn's default allows."""


@dataclass(frozen=True)
class EmbeddingClassifier:
    """Tells the label of a text from its embedding.

    Args:
        embed: The encoder.
        labels: In the order of the probabilities.
        model: A fitted scikit-learn classifier.
    """

    embed: Embed
    labels: tuple[str, ...]
    model: Any

    @classmethod
    def train(cls, embed: Embed, texts: Sequence[str], labels: Sequence[str]) -> EmbeddingClassifier:
        """Return a classifier trained on labelled texts.

        Raises:
            DataError: There are fewer than two labels.
        """
        if len(names := sorted(set(labels))) < 2:
            problem = f"the labelled rows know {count_of(len(names), 'label')}; a classifier needs two"
            raise DataError(problem, cure="label rows of every class first")
        return cls(embed, tuple(names), _regression().fit(embed(texts), np.asarray(labels)))

    def __call__(self, texts: Sequence[str]) -> FloatArray:
        """Return the probability of each label, [N, L]."""
        probabilities_NL: FloatArray = self.model.predict_proba(self.embed(texts)).astype(np.float64)
        return probabilities_NL


def cross_validated(
    vectors_ND: NDArray[np.float32],
    labels_N: NDArray[np.int64],
    *,
    num_folds: int = 5,
    seed: int = 0,
    on_fold: Callable[[int], None] = lambda fold: None,
) -> FloatArray:
    """Return for each row the probabilities [N, L] of a classifier that was trained without it.

    Args:
        vectors_ND: Embeddings.
        labels_N: From 0 to L - 1; each at least ``num_folds`` times.
        num_folds: Parts, each judged by a classifier trained on the others.
        seed: Of the division into parts, which keeps the labels' shares.
        on_fold: Told how many folds are done.

    Raises:
        DataError: A label is rarer than the folds.
    """
    selection = require("sklearn.model_selection", extra="annotation", purpose="cross-validation")
    rare = {label: count for label, count in Counter(labels_N.tolist()).items() if count < num_folds}
    if rare or len(labels_N) < num_folds:
        raise DataError(
            f"fewer rows than the {num_folds} folds: {count_of(len(rare), 'label')}", cure="use fewer folds"
        )
    folds = selection.StratifiedKFold(num_folds, shuffle=True, random_state=seed)
    probabilities_NL = np.zeros((len(labels_N), int(labels_N.max()) + 1))
    for fold, (others, part) in enumerate(folds.split(vectors_ND, labels_N), start=1):
        model = _regression().fit(vectors_ND[others], labels_N[others])
        probabilities_NL[part] = model.predict_proba(vectors_ND[part])
        on_fold(fold)
    return probabilities_NL


def _regression() -> Any:
    linear = require("sklearn.linear_model", extra="annotation", purpose="a classifier of embedded texts")
    return linear.LogisticRegression(C=_STRENGTH, max_iter=1000)
