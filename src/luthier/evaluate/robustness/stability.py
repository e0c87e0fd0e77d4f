"""Stability: whether a prediction stays the same where a text changes and its meaning does not; nobody attacks here."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from random import Random

import numpy as np

from luthier.core.hashing import fingerprint
from luthier.data.augment.affix import Affix
from luthier.data.augment.contract import WordOperation
from luthier.data.augment.language import has_chinese
from luthier.data.augment.segment import edit_text
from luthier.data.augment.typing_noise import TypingNoise
from luthier.data.sample import Sample
from luthier.evaluate.robustness.proposals import ONE_WORD
from luthier.evaluate.robustness.victim import Verdict, Victim
from luthier.evaluate.statistics import Values

Change = Callable[[str, Random], str]
"""Another way to write a text; the text itself where there is none."""


@dataclass(frozen=True)
class Stability:
    """How often predictions stayed the same.

    Args:
        same_NK: Whether it did, by row and change; 0 where the change altered nothing or could not be read.
        asked_NK: Whether the change altered the row.
        names: Of the changes.
    """

    same_NK: Values
    asked_NK: Values
    names: tuple[str, ...]

    def figures(self) -> Values:
        """Return for each row the share of its changes that left the prediction, and 1; or 0 and 0, [N, 2]."""
        asked_N = self.asked_NK.sum(axis=1)
        share_N = np.divide(self.same_NK.sum(axis=1), asked_N, out=np.zeros(len(asked_N)), where=asked_N > 0)
        return np.stack([share_N, (asked_N > 0).astype(np.float64)], axis=1)


def changes_of(synonyms: WordOperation | None) -> dict[str, Change]:
    """Return the changes by name.

    Args:
        synonyms: Replaces a word; None where the recipe asks for no synonyms.
    """
    changes: dict[str, Change] = {
        "lower case": lambda text, random: text.lower(),
        "end mark": _other_end,
        "greeting": lambda text, random: Affix("prefix").rewrite([text], [random])[0],
        "thanks": lambda text, random: Affix("suffix").rewrite([text], [random])[0],
        "one typing error": lambda text, random: edit_text(text, TypingNoise(ONE_WORD), random)[0],
    }
    if synonyms is not None:
        changes["one synonym"] = lambda text, random: edit_text(text, synonyms, random)[0]
    return changes


def _other_end(text: str, random: Random) -> str:
    """Return a text without its full stop or question mark, or with a full stop where it has none."""
    bare = text.rstrip().rstrip(".?!。？！")
    if bare != text.rstrip():
        return bare
    return bare + ("。" if has_chinese(bare[-1:]) else ".")


def measure_stability(
    victim: Victim,
    rows: Sequence[tuple[Sample, Verdict]],
    changes: Mapping[str, Change],
    *,
    seed: int,
) -> Stability:
    """Change every row in every way once, and ask what the model says then.

    Args:
        victim: The model.
        rows: Rows, each with what the model says about it, right or wrong.
        changes: From `changes_of`.
        seed: Makes every choice.
    """
    same_NK = np.zeros((len(rows), len(changes)))
    asked_NK = np.zeros_like(same_NK)
    for column, (name, change) in enumerate(changes.items()):
        changed: list[tuple[int, Sample]] = []
        for number, (sample, _) in enumerate(rows):
            text = victim.text_of(sample)
            other = change(text, Random(fingerprint(seed, name, sample.place))) if text.strip() else text
            if other != text and other.strip():
                changed.append((number, victim.with_text(sample, other)))
        verdicts = victim.ask([sample for _, sample in changed])
        for (number, _), verdict in zip(changed, verdicts, strict=True):
            if verdict is not None:
                asked_NK[number, column] = 1.0
                same_NK[number, column] = float(verdict.said == rows[number][1].said)
    return Stability(same_NK, asked_NK, tuple(changes))
