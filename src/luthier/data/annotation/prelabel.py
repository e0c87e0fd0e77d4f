"""Pre-labels: a model proposes labels, with its confidence, before or beside the raters."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from luthier.core.errors import DataError
from luthier.data.annotation.items import Item, Prelabel

# Shapes: N texts, L labels.


class LabelModel(Protocol):
    """Tells the label of texts.

    Attributes:
        labels: In the order of the probabilities.
    """

    @property
    def labels(self) -> tuple[str, ...]:
        """In the order of the probabilities."""

    def __call__(self, texts: Sequence[str]) -> NDArray[np.float64]:
        """Return the probability of each label, [N, L]; a row of zeros where the model has no answer."""


def prelabelled(
    items: Sequence[Item],
    model: LabelModel,
    name: str,
    *,
    text_field: str,
    min_score: float = 0.0,
    batch_size: int = 256,
    on_progress: Callable[[int], None] = lambda rows: None,
) -> Iterator[Item]:
    """Yield the rows for which the model has an answer, with its proposal and nothing else.

    Args:
        items: Rows.
        model: Proposes.
        name: Of the model, under which the proposal stands.
        text_field: Field that the model reads.
        min_score: Proposals less probable are not made.
        batch_size: Texts a call.
        on_progress: Told how many rows are done.

    Raises:
        DataError: The model's answer has another shape than texts times labels, or is no probability.
    """
    for start in range(0, len(items), batch_size):
        part = items[start : start + batch_size]
        probabilities_NL = np.asarray(model([str(item.data[text_field]) for item in part]), dtype=np.float64)
        _check(probabilities_NL, (len(part), len(model.labels)), name)
        for item, best, score in zip(
            part, probabilities_NL.argmax(axis=1), probabilities_NL.max(axis=1), strict=True
        ):
            if score > 0 and score >= min_score:
                proposal = Prelabel(model.labels[best], round(float(score), 6), name)
                yield replace(item, ratings=(), counts={}, gold=None, prelabels=(proposal,))
        on_progress(start + len(part))


def _check(probabilities_NL: NDArray[np.float64], shape: tuple[int, int], name: str) -> None:
    if probabilities_NL.shape != shape:
        got = "×".join(map(str, probabilities_NL.shape))
        raise DataError(
            f"answered {got} numbers; {shape[0]} texts × {shape[1]} labels were expected", where=name
        )
    if not ((probabilities_NL >= 0) & (probabilities_NL <= 1.0 + 1e-6)).all():
        raise DataError("answered numbers that are no probabilities", where=name)
