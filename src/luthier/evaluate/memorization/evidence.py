"""What one model does with the rows under examination: scores, continuations and losses of canaries."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from luthier.data.example import IGNORED, Example
from luthier.data.store import lengths_of
from luthier.evaluate.examination import Subject
from luthier.evaluate.memorization.extraction import Passage, continuations, long_enough, similarity
from luthier.evaluate.memorization.token_scores import TokenScores, token_scores
from luthier.models.chat_model import stop_token_ids


@dataclass(frozen=True)
class Drawn:
    """Rows that were drawn for the examination, of one kind: trained, or held out.

    Args:
        rows: Encoded.
        passages: Of those that are long enough to be extracted.
    """

    rows: Sequence[Example]
    passages: Sequence[Passage]

    def texts(self, tokenizer: Any) -> list[str]:
        """Return what the labelled tokens of each row say."""
        labels = (row.labels[1:] for row in self.rows)
        return [tokenizer.decode(own[own != IGNORED], skip_special_tokens=True) for own in labels]


@dataclass(frozen=True)
class Evidence:
    """What one model does.

    Args:
        members: Scores of the trained rows that were drawn.
        others: Scores of the held-out rows that were drawn.
        near_members: Similarity of each continuation to what was trained [passages].
        near_others: Likewise for the held-out rows; empty for the base.
        canaries: Of each canary the summed losses of the secret and its alternatives.
    """

    members: Sequence[TokenScores]
    others: Sequence[TokenScores]
    near_members: NDArray[np.float64]
    near_others: NDArray[np.float64]
    canaries: list[list[float]] = field(default_factory=list)


@dataclass(frozen=True)
class Asked:
    """What is done with a model.

    Args:
        members: Trained rows; none where they are unknown.
        others: Held-out rows; none where the trained ones are unknown.
        canaries: Of each canary the rows of the secret and its alternatives.
        prefix: Longest prefix, for continuations that are nearly verbatim.
        continuation: Tokens of a continuation.
    """

    members: Drawn
    others: Drawn
    canaries: Sequence[Sequence[Example]]
    prefix: int
    continuation: int

    def cost(self, *, is_base: bool) -> int:
        """Return how many rows are gone through, for the progress."""
        rows = len(self.members.rows) + len(self.others.rows) + sum(len(each) for each in self.canaries)
        return rows + len(self.members.passages) + (0 if is_base else len(self.others.passages))


def draw(rows: Sequence[Example], count: int, num_tokens: int, seed: int) -> Drawn:
    """Return rows that were drawn at random, and their passages that are long enough.

    Args:
        rows: All of one kind.
        count: Most rows that are drawn.
        num_tokens: That a passage needs.
        seed: Of the draws.
    """
    lengths = np.asarray(lengths_of(rows))
    order = np.random.default_rng(seed).permutation(len(lengths))
    drawn: list[Example] = []
    for number in order:
        if len(drawn) == count:
            break
        row = rows[int(number)]
        if row.num_supervised:
            drawn.append(row)
    return Drawn(drawn, long_enough(drawn, num_tokens))


def measure(
    model: Any, subject: Subject, asked: Asked, *, is_base: bool, tell: Callable[[int], None]
) -> Evidence:
    """Return what a model does with the rows.

    Args:
        model: In evaluation mode.
        subject: Collates, decodes and ends.
        asked: The rows.
        is_base: Whether it is the model before tuning, which is not asked to continue held-out rows.
        tell: Told how many rows are done.
    """
    done = 0

    def scored(rows: Sequence[Example]) -> list[TokenScores]:
        nonlocal done
        if not rows:
            return []
        found = token_scores(
            model, subject.objective, rows, dtype=subject.dtype, on_progress=lambda n: tell(done + n)
        )
        done += len(rows)
        return found

    def near(drawn: Drawn, scores: Sequence[TokenScores]) -> NDArray[np.float64]:
        nonlocal done
        if not drawn.passages:
            return np.empty(0)
        stops = stop_token_ids(subject.tokenizer, subject.template)
        written = continuations(
            model,
            drawn.rows,
            drawn.passages,
            asked.prefix,
            asked.continuation,
            stop_token_ids=stops,
            pad_token_id=subject.tokenizer.pad_token_id or 0,
            on_progress=lambda n: tell(done + n),
        )
        done += len(drawn.passages)
        trained = [
            drawn.rows[each.row].input_ids[each.start + asked.prefix :][: asked.continuation].tolist()
            for each in drawn.passages
        ]
        return np.array([similarity(*pair) for pair in zip(written, trained, strict=True)])

    members, others = scored(asked.members.rows), scored(asked.others.rows)
    near_members = near(asked.members, members)
    near_others = np.empty(0) if is_base else near(asked.others, others)
    canaries = [[-float(each.log_probabilities_T.sum()) for each in scored(rows)] for rows in asked.canaries]
    return Evidence(members, others, near_members, near_others, canaries)
