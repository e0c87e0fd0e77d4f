"""Beginnings that sequences share are computed once, and nothing else about the model changes."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from luthier.kernels.accelerate import accelerate
from luthier.kernels.shared_prefixes import SharedPrefixes
from tests.kernels.families import (
    FAMILIES,
    Inputs,
    assert_equal_steps,
    filled_up,
    packed,
    padded,
    rows_of,
    tiny_model,
    with_lora,
)

_sequences = st.lists(st.lists(st.integers(1, 3), min_size=1, max_size=7), min_size=1, max_size=7)


def _find(
    sequences: list[list[int]], starts: list[int] | None = None
) -> tuple[SharedPrefixes | None, Tensor]:
    tokens = torch.tensor([token for sequence in sequences for token in sequence])
    firsts = starts or [0] * len(sequences)
    positions = torch.cat([first + torch.arange(len(s)) for first, s in zip(firsts, sequences, strict=True)])
    boundaries = (0, *torch.tensor([len(s) for s in sequences]).cumsum(0).tolist())
    return SharedPrefixes.find(tokens, positions, boundaries), tokens


@given(_sequences)
def test_exactly_the_nodes_of_the_tree_of_beginnings_are_computed(sequences: list[list[int]]) -> None:
    """A trie has one node for each distinct beginning; that is the least that can be computed."""
    beginnings = {tuple(sequence[: n + 1]) for sequence in sequences for n in range(len(sequence))}
    shared, tokens = _find(sequences)
    num_computed = len(tokens) if shared is None else len(shared.computed_M)
    assert num_computed == len(beginnings)


@given(_sequences)
def test_every_token_is_read_from_one_with_the_same_beginning(sequences: list[list[int]]) -> None:
    shared, tokens = _find(sequences)
    if shared is None:
        return
    beginning = [tuple(sequence[: n + 1]) for sequence in sequences for n in range(len(sequence))]
    for place, source in enumerate(shared.computed_M[shared.place_N].tolist()):
        assert beginning[place] == beginning[source]
    assert torch.equal(tokens[shared.computed_M][shared.place_N], tokens)


@given(_sequences)
def test_gradients_are_those_of_reading(sequences: list[list[int]]) -> None:
    """`collect` is the transpose of ``values[place]``, which torch differentiates by itself."""
    shared, tokens = _find(sequences)
    if shared is None:
        return
    values = torch.randn(2, len(shared.computed_M), 3, dtype=torch.float64, requires_grad=True)
    grad = torch.randn(2, len(tokens), 3, dtype=torch.float64)
    values[:, shared.place_N].backward(grad)
    torch.testing.assert_close(shared.collect(grad.clone()), values.grad)


def test_equal_tokens_at_other_positions_are_not_shared() -> None:
    assert _find([[1, 2, 3], [1, 2, 3]], starts=[0, 4])[0] is None
    shared, _ = _find([[1, 2, 3], [1, 2, 3]])
    assert shared is not None and sorted(shared.lengths) == [0, 3]


def _chat_rows(seed: int = 0) -> list[tuple[Tensor, Tensor]]:
    """A prompt of 21 tokens before four answers, two of which go on alike, one row twice, and a stranger."""
    rows = rows_of((60, 45, 70, 33, 25), seed=seed)
    for tokens, labels in rows[:4]:
        tokens[:21] = rows[0][0][:21]
        labels[:21] = -100
    rows[2][0][21:40] = rows[1][0][21:40]
    return [*rows, (rows[0][0].clone(), rows[0][1].clone())]


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("make_batch", [packed, padded])
def test_loss_and_gradients_equal_plain(family: str, make_batch: Any) -> None:
    assert_equal_steps(lambda: with_lora(tiny_model(family)), accelerate, [make_batch(_chat_rows())])


def test_full_fine_tuning_and_checkpointing_equal_plain() -> None:
    def make() -> Any:
        model = tiny_model("llama")
        model.gradient_checkpointing_enable({"use_reentrant": False})
        return model.train()

    assert_equal_steps(make, accelerate, [packed(_chat_rows())])


def _tokens_through_layers(model: Any, batch: Inputs) -> int:
    seen: list[int] = []
    layer = model.get_decoder().layers[0]
    handle = layer.register_forward_pre_hook(lambda module, args: seen.append(args[0].shape[1]))
    model(**batch.given(), use_cache=False)
    handle.remove()
    return seen[0]


def test_shared_tokens_go_through_the_layers_once_unless_they_may_differ() -> None:
    batch = packed(_chat_rows())
    lengths = [end - start for start, end in pairwise((0, 60, 105, 175, 208, 233, 293))]
    plain, fast = tiny_model("llama").train(), tiny_model("llama").train()
    accelerate(fast)
    assert _tokens_through_layers(plain, batch) == sum(lengths)
    assert _tokens_through_layers(fast, batch) == filled_up(sum(lengths) - 3 * 21 - 19 - 60)
    fast.get_decoder().layers[0].add_module("dropout", torch.nn.Dropout(0.1))
    assert _tokens_through_layers(fast, batch) == sum(lengths), "dropped inputs differ from row to row"
    fast.eval()
    assert _tokens_through_layers(fast, batch) == filled_up(sum(lengths) - 3 * 21 - 19 - 60)
    fast.get_input_embeddings().register_forward_hook(lambda module, args, out: out + torch.randn_like(out))
    assert _tokens_through_layers(fast, batch) == sum(lengths), "noise differs from row to row"
