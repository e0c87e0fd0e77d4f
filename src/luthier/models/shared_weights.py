"""A second module tree over the same weights, and a sum that tells whether weights were changed."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from itertools import chain
from typing import Any

import torch
from torch import Tensor

WeightSums = dict[str, int]
"""The sum of a tensor's bits, read as integers, by its name."""


def over_same_weights(model: Any) -> Any:
    """Return a copy of a model with the model's own weights; what is put into the copy, the model does not see."""
    return copy.deepcopy(model, {id(tensor): tensor for _, tensor in _tensors(model)})


def weight_sums(model: Any) -> WeightSums:
    """Return what tells whether a model's parameters and buffers were changed."""
    return {name: _sum_of_bits(tensor) for name, tensor in _tensors(model)}


def changed_weights(before: WeightSums, model: Any) -> list[str]:
    """Return the names of tensors that were changed, came or went since ``before``."""
    now = weight_sums(model)
    return sorted(name for name in before.keys() | now.keys() if before.get(name) != now.get(name))


def _tensors(model: Any) -> Iterator[tuple[str, Tensor]]:
    return chain(model.named_parameters(), _kept_buffers(model))


def _kept_buffers(model: Any) -> Iterator[tuple[str, Tensor]]:
    """Yield the buffers that are saved; others, such as rotary frequencies, may follow from the last input."""
    for prefix, module in model.named_modules():
        for name, buffer in module.named_buffers(prefix, recurse=False):
            if name.rpartition(".")[2] not in module._non_persistent_buffers_set:
                yield name, buffer


_INTEGERS = {1: torch.uint8, 2: torch.int16, 4: torch.int32, 8: torch.int64}


def _sum_of_bits(tensor: Tensor) -> int:
    plain = tensor.detach()
    if plain.dtype == torch.bool:
        return int(plain.sum())
    return int(plain.view(_INTEGERS[plain.element_size()]).sum(dtype=torch.int64))
