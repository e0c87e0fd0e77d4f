"""Extraction: training rows that greedy decoding writes out once it is given how they begin.

A sequence is extractable with k tokens of context if the model, given the k tokens that precede it in the training
data, continues with it under greedy decoding. Here the prompt of a row is given too, for whoever asks a chat model
knows it.

References: N. Carlini et al., Quantifying Memorization Across Neural Language Models, 2023 (arXiv:2202.07646),
definition 3.1; D. Ippolito et al., Preventing Verbatim Memorization Gives a False Sense of Privacy, 2023
(arXiv:2210.17546), for what is nearly verbatim.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from luthier.data.example import IGNORED, Example
from luthier.evaluate.error_rate import edit_distance
from luthier.evaluate.memorization.token_scores import TokenScores
from luthier.models.generate import Sampling, decode

_BATCH = 16


@dataclass(frozen=True)
class Passage:
    """The longest run of trained tokens of a row: an answer, or all of a text.

    Args:
        row: Its number among the rows.
        start: Place of its first token in the row.
        length: Its tokens.
        scored: Place of its first scored token among the row's scored ones.
    """

    row: int
    start: int
    length: int
    scored: int


def passage_of(number: int, row: Example) -> Passage:
    """Return the longest run of trained tokens of a row; of length 0 where there is none.

    The first token of raw text belongs to it, but is predicted from nothing, so it is not scored.
    """
    is_trained_T = row.labels != IGNORED
    edges = np.flatnonzero(np.diff(np.concatenate([[0], is_trained_T.astype(np.int8), [0]])))
    starts, ends = edges[::2], edges[1::2]
    if not len(starts):
        return Passage(number, 0, 0, 0)
    longest = int((ends - starts).argmax())
    start = int(starts[longest])
    return Passage(number, start, int(ends[longest]) - start, int(is_trained_T[1:start].sum()))


def long_enough(rows: Sequence[Example], num_tokens: int) -> list[Passage]:
    """Return the passages of rows that have at least as many tokens."""
    passages = (passage_of(number, row) for number, row in enumerate(rows))
    return [passage for passage in passages if passage.length >= num_tokens]


def verbatim(
    passages: Sequence[Passage], scores: Sequence[TokenScores], prefix: int, continuation: int
) -> NDArray[np.bool_]:
    """Return which passages greedy decoding continues verbatim [N].

    Args:
        passages: Long enough for both.
        scores: Of all rows.
        prefix: Tokens that are given, beside the prompt; at least 1 where no prompt precedes.
        continuation: Tokens that must follow exactly.
    """
    return np.array([_is_verbatim(each, scores, prefix, continuation) for each in passages], dtype=bool)


def _is_verbatim(passage: Passage, scores: Sequence[TokenScores], prefix: int, continuation: int) -> bool:
    if not passage.start and not prefix:
        raise ValueError("a text cannot be continued from nothing")
    first = passage.scored + prefix - (0 if passage.start else 1)
    return bool(scores[passage.row].is_greedy_T[first : first + continuation].all())


def continuations(
    model: Any,
    rows: Sequence[Example],
    passages: Sequence[Passage],
    prefix: int,
    continuation: int,
    *,
    stop_token_ids: Collection[int],
    pad_token_id: int,
    on_progress: Callable[[int], None] = lambda done: None,
) -> list[list[int]]:
    """Return what greedy decoding writes after each prefix, in batches of similar length.

    Args:
        model: A causal language model in evaluation mode.
        rows: That the passages belong to.
        passages: To be continued.
        prefix: Tokens that are given, beside the prompt.
        continuation: Most tokens that are written.
        stop_token_ids: End a continuation, and belong to it.
        pad_token_id: Filler.
        on_progress: Told how many are done.
    """
    prompts = [rows[each.row].input_ids[: each.start + prefix].tolist() for each in passages]
    written: list[list[int]] = [[] for _ in passages]
    by_length = sorted(range(len(prompts)), key=lambda number: len(prompts[number]))
    for start in range(0, len(by_length), _BATCH):
        batch = by_length[start : start + _BATCH]
        steps = decode(
            model,
            [prompts[number] for number in batch],
            Sampling(max_new_tokens=continuation),
            stop_token_ids=stop_token_ids,
            pad_token_id=pad_token_id,
        )
        for step in steps:
            for number, token in zip(batch, step, strict=True):
                if token is not None:
                    written[number].append(token)
        on_progress(start + len(batch))
    return written


def similarity(written: Sequence[int], trained: Sequence[int]) -> float:
    """Return 1 less the edits per trained token, at least 0.

    Args:
        written: By the model.
        trained: What follows in the row, at least one token.
    """
    return max(0.0, 1.0 - edit_distance(written, trained) / len(trained))
