"""General texts: what a model could predict before it was tuned, and whether it still can."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from luthier.core.errors import DataError
from luthier.data.encode import TextEncoder
from luthier.data.example import Example
from luthier.data.read import read_source
from luthier.data.sample import Sample
from luthier.evaluate.measured import loss_measure, ratio, spread_numbers
from luthier.evaluate.statistics import Interval, Resampling, Values
from luthier.evaluate.two_samples import one_sample_interval
from luthier.objectives.contract import Measure, Objective
from luthier.recipe.evaluate_sections.generalization import SHIPPED_TEXTS
from luthier.recipe.source_section import Source

_MAX_TOKENS = 512
_TEXTS = Path(__file__).parent / "general_texts"


def general_rows(text: str, folder: Path, tokenizer: Any, max_positions: int, most: int) -> list[Example]:
    """Return the rows of a general text, cut into blocks; all of a document's have its row number.

    Args:
        text: ``english``, ``chinese``, or a file of raw text.
        folder: Relative paths start here.
        tokenizer: Of the model.
        max_positions: Longest text of the model in tokens.
        most: Documents, spread evenly.

    Raises:
        DataError: The file holds no raw text.
    """
    path = f"{text}.jsonl" if text in SHIPPED_TEXTS else text
    folder = _TEXTS if text in SHIPPED_TEXTS else folder
    entries = list(read_source(Source.model_validate({"path": path, "schema": "text"}), folder))
    samples = [entry for entry in entries if isinstance(entry, Sample)]
    encoder = TextEncoder(tokenizer, max_length=min(_MAX_TOKENS, max_positions))
    rows: list[Example] = []
    for number in spread_numbers(len(samples), most):
        encoded = encoder(samples[number])
        rows += encoded if isinstance(encoded, list) else []
    if not rows:
        raise DataError(
            "has no row of raw text",
            where=str(folder / path),
            cure='a .txt file, or rows such as {"text": "…"}',
        )
    return rows


def ability_measure(model: Any, objective: Objective, rows: Sequence[Example], dtype: torch.dtype) -> Measure:
    """Return the loss on general texts, as figures of each document: nats, tokens."""
    measure = loss_measure(model, objective, rows, dtype)
    places = [(row.source, row.row) for row in rows]
    number_of = {place: number for number, place in enumerate(dict.fromkeys(places))}
    figures = np.zeros((len(number_of), 2))
    np.add.at(figures, [number_of[place] for place in places], measure.figures_NK)
    return Measure(measure.name, measure.title, figures, ratio, lower_is_better=True)


def pooled(measures: Sequence[Measure]) -> Measure:
    """Return the loss over all texts: the mean of the texts' losses, so that a long one does not drown the others.

    Its figures are nats and tokens of each text in columns of their own.
    """
    width = 2 * len(measures)
    parts = []
    for number, measure in enumerate(measures):
        part = np.zeros((len(measure.figures_NK), width))
        part[:, 2 * number : 2 * number + 2] = measure.figures_NK
        parts.append(part)

    def mean(sums: Values) -> Values:
        return np.asarray((sums[..., 0::2] / sums[..., 1::2]).mean(axis=-1))

    return Measure("eval_loss", "Loss per token (nats)", np.concatenate(parts), mean, lower_is_better=True)


def lost(base: Measure, tuned: Measure, how: Resampling) -> Interval | None:
    """Return by how much the loss grew, relative to the base's; negative where the tuned model is better.

    Args:
        base: Of the base, by document.
        tuned: Of the tuned model, on the same documents.
        how: Draws, coverage and seed; documents of both models are drawn together.
    """
    width = base.figures_NK.shape[1]

    def growth(sums: Values) -> Values:
        return np.asarray(tuned.statistic(sums[..., width:]) / base.statistic(sums[..., :width]) - 1)

    return one_sample_interval(np.concatenate([base.figures_NK, tuned.figures_NK], axis=1), growth, how)
