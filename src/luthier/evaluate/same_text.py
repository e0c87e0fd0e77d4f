"""Two models that cut the same texts into other tokens, made comparable: nats for the same characters.

The loss of the base is measured on the rows as its own tokenizer cuts them. Divided by the tokens of the new
vocabulary, the figures of both models have one denominator, so their ratio is that of nats per character.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from luthier.data.example import IGNORED, Example
from luthier.evaluate.loss import RowLosses
from luthier.objectives.contract import Objective


@dataclass(frozen=True)
class BaseSide:
    """How the base reads the held-out rows, where the result reads them otherwise.

    Args:
        objective: Over the base's tokenizer.
        rows: The held-out rows as the base's tokenizer cuts them.
        tokenizer: Of the base.
        template: Of the base; None for raw text.
    """

    objective: Objective
    rows: Sequence[Example]
    tokenizer: Any
    template: Any


@dataclass(frozen=True)
class SameText:
    """Losses of both models on the texts that both could read.

    Args:
        base: Of the base, by text: nats for the characters that the result predicts.
        tuned: Of the result; counts are tokens of its vocabulary in both.
        characters: Predicted characters of each text.
        num_left_out: Texts that one of the two could not read.
        texts: What was measured, in order: an example of each text.
    """

    base: RowLosses
    tuned: RowLosses
    characters: NDArray[np.int64]
    num_left_out: int
    texts: Sequence[Example]

    def per_character(self) -> dict[str, float]:
        """Return nats per predicted character of both, and how many there are."""
        total = float(self.characters.sum())
        return {
            "base": float(self.base.sums.sum()) / total,
            "tuned": float(self.tuned.sums.sum()) / total,
            "characters": total,
        }


def same_text(
    base: RowLosses,
    base_rows: Sequence[Example],
    base_tokenizer: Any,
    tuned: RowLosses,
    tuned_rows: Sequence[Example],
    tuned_tokenizer: Any,
) -> SameText:
    """Return both models' losses text by text.

    A text that is cut at the length limit or into blocks does not have quite the same predicted characters on both
    sides: the base's nats are taken in proportion to the characters.
    """
    of_base = _by_text(base, base_rows, base_tokenizer)
    of_tuned = _by_text(tuned, tuned_rows, tuned_tokenizer)
    shared = [text for text in of_tuned if text in of_base]
    left_out = len(of_base.keys() | of_tuned.keys()) - len(shared)
    b, t = (np.array([of[text] for text in shared]).reshape(-1, 3) for of in (of_base, of_tuned))
    counts, characters = t[:, 1].astype(np.int64), t[:, 2].astype(np.int64)
    example_of = {(row.source, row.row): row for row in tuned_rows}
    return SameText(
        RowLosses(b[:, 0] / b[:, 2] * t[:, 2], counts),
        RowLosses(t[:, 0], counts),
        characters,
        left_out,
        [example_of[text] for text in shared],
    )


def _by_text(
    losses: RowLosses, rows: Sequence[Example], tokenizer: Any
) -> dict[tuple[str, int], NDArray[np.float64]]:
    """Return nats, tokens and characters of each text that has any."""
    found: dict[tuple[str, int], NDArray[np.float64]] = {}
    for number, row in enumerate(rows):
        labels = row.labels[1:]
        text = tokenizer.decode(labels[labels != IGNORED], skip_special_tokens=True)
        figures = np.array([losses.sums[number], losses.counts[number], len(text)], dtype=np.float64)
        key = (row.source, row.row)
        found[key] = found[key] + figures if key in found else figures
    return {key: figures for key, figures in found.items() if figures[2]}
