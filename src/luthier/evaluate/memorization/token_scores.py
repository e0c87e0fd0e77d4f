"""Token scores: how probable each trained token is after those before it, and whether it is the likeliest."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from luthier.data.collate import Batch
from luthier.data.example import Example
from luthier.data.length_batches import batches_by_length
from luthier.kernels.causal_loss import CausalLM, labelled_positions, split_obstacle
from luthier.objectives.balance import MixedObjective
from luthier.objectives.contract import Objective
from luthier.train.batches import split_by_group

# Shapes: N labelled tokens of a batch, T of a row, D hidden width, V vocabulary.

_CHUNK = 256


@dataclass(frozen=True)
class TokenScores:
    """The labelled tokens of one row, but for its first token, which is predicted from nothing.

    Args:
        log_probabilities_T: Natural logarithms.
        is_greedy_T: Whether greedy decoding would write the token after those before it.
    """

    log_probabilities_T: NDArray[np.float64]
    is_greedy_T: NDArray[np.bool_]

    @property
    def loss(self) -> float:
        """Mean loss in nats per token."""
        return -float(self.log_probabilities_T.mean())


def token_scores(
    model: Any,
    objective: Objective,
    rows: Sequence[Example],
    *,
    dtype: torch.dtype,
    on_progress: Callable[[int], None] = lambda done: None,
) -> list[TokenScores]:
    """Score the labelled tokens of rows, without dropout and without gradient; logits are formed a chunk at a time.

    Greedy decoding continues a prefix of a row verbatim exactly if each token of the continuation is the likeliest
    after the row's own tokens, so one pass answers for all prefixes, and nothing need be generated.

    Args:
        model: A causal language model.
        objective: Collates rows.
        rows: Encoded, each with at least one labelled token after its first.
        dtype: Type of the computation.
        on_progress: Told how many rows are done.
    """
    model.eval()
    scores: dict[int, TokenScores] = {}
    groups = objective.groups(rows) if isinstance(objective, MixedObjective) else None
    for batch in _batches(rows, groups):
        with torch.no_grad(), torch.autocast("cpu", dtype, enabled=dtype != torch.float32):
            found = _scores_of(model, objective.collate([rows[number] for number in batch]))
        sizes = [rows[number].num_supervised for number in batch]
        parts = zip(batch, *(tensor.split(sizes) for tensor in found), strict=True)
        for number, log_probabilities_T, is_greedy_T in parts:
            scores[number] = TokenScores(log_probabilities_T.double().numpy(), is_greedy_T.numpy())
        on_progress(len(scores))
    return [scores[number] for number in range(len(rows))]


def _batches(rows: Sequence[Example], groups: Sequence[int] | None) -> Iterator[list[int]]:
    """Yield batches of rows that may stand in one, similar lengths together."""
    for part in split_by_group(range(len(rows)), groups):
        for batch in batches_by_length([len(rows[number].input_ids) for number in part]):
            yield [part[place] for place in batch]


def _scores_of(model: Any, batch: Batch) -> tuple[Tensor, Tensor]:
    """Return log-probabilities [N] and whether each token is the likeliest [N], row after row."""
    positions_N, targets_N = labelled_positions(batch.labels)
    inputs = {
        "input_ids": batch.input_ids,
        "attention_mask": batch.attention_mask,
        "position_ids": batch.position_ids,
        "use_cache": False,
    }
    if split_obstacle(model):
        logits_BTV = model(**inputs).logits[:, -batch.labels.shape[1] :]  # soft prompts stand before
        return _judged(logits_BTV.flatten(0, 1).index_select(0, positions_N), targets_N)
    parts = CausalLM.of(model)
    hidden_BTD = parts.trunk(**inputs).last_hidden_state
    hidden_ND = hidden_BTD.flatten(0, 1).index_select(0, positions_N)
    chunks = [
        _judged(parts.bent_logits(hidden_ND[start : start + _CHUNK]), targets_N[start : start + _CHUNK])
        for start in range(0, len(targets_N), _CHUNK)
    ]
    log_probabilities, is_greedy = zip(*chunks, strict=True)
    return torch.cat(log_probabilities), torch.cat(is_greedy)


def _judged(logits_CV: Tensor, targets_C: Tensor) -> tuple[Tensor, Tensor]:
    logits_CV = logits_CV.float()
    chosen_C = logits_CV.gather(1, targets_C[:, None]).squeeze(1)
    return chosen_C - logits_CV.logsumexp(dim=-1), logits_CV.argmax(dim=-1) == targets_C
