"""What all attacks did to one model, row by row."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from luthier.data.sample import Sample
from luthier.evaluate.robustness.search import Attacked
from luthier.evaluate.robustness.stability import Stability
from luthier.evaluate.robustness.victim import Verdict
from luthier.evaluate.statistics import Values
from luthier.recipe.evaluate_sections.robustness import TEXT_ATTACKS

# Shapes: N rows.


@dataclass(frozen=True)
class Outcome:
    """What all attacks did to one model.

    Args:
        samples: Rows, all that it could read.
        texts: What of each row an attacker writes.
        clean: What it says about each row before.
        attacks: By name of the attack and number of the row, only of rows that it had right.
        stability: Under changes that nobody chose.
        notes: By attack, what is to be told besides.
    """

    samples: Sequence[Sample]
    texts: Sequence[str]
    clean: Sequence[Verdict]
    attacks: Mapping[str, Mapping[int, Attacked]]
    stability: Stability
    notes: Mapping[str, Mapping[str, float]]

    @property
    def right_N(self) -> Values:
        """Which rows the model had right, 1 or 0."""
        return np.array([float(verdict.is_right) for verdict in self.clean])

    def tried(self, names: Sequence[str]) -> Values:
        """Return which rows were right and could be attacked by any of some attacks, 1 or 0."""
        return self._any(names, lambda attacked: attacked.could_try)

    def broken(self, names: Sequence[str]) -> Values:
        """Return which rows any of some attacks broke, 1 or 0."""
        return self._any(names, lambda attacked: attacked.broken is not None)

    def success(self, names: Sequence[str]) -> Values:
        """Return the figures of the success rate: broken, and attacked, [N, 2]."""
        return np.stack([self.broken(names), self.tried(names)], axis=1)

    def accuracy(self, names: Sequence[str]) -> Values:
        """Return the figures of the accuracy after the attacks: right and not broken, and 1, [N, 2].

        Where not a single row could be attacked, nothing was proved about any: the second is 0.
        """
        left_N = self.right_N - self.broken(names)
        was_tested = not names or self.tried(names).any() or not self.right_N.any()
        return np.stack([left_N, np.full(len(left_N), float(was_tested))], axis=1)

    @property
    def text_attacks(self) -> list[str]:
        """The attacks that only ask the model."""
        return [name for name in self.attacks if name in TEXT_ATTACKS]

    def _any(self, names: Sequence[str], holds: Callable[[Attacked], bool]) -> Values:
        found_N = np.zeros(len(self.clean))
        for name in names:
            for number, attacked in self.attacks[name].items():
                if holds(attacked):
                    found_N[number] = 1.0
        return found_N
