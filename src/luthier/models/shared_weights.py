"""A second module tree over the same weights, and a sum that tells whether weights were changed."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from itertools import chain
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from luthier.core.files import read_json
from luthier.models.load import ResultRecord

WeightSums = dict[str, int]
"""The sum of a tensor's bits, read as integers, by its name."""


def over_same_weights(model: Any) -> Any:
    """Return a copy of a model with the model's own weights; what is put into the copy, the model does not see."""
    return copy.deepcopy(model, {id(tensor): tensor for _, tensor in _tensors(model)})


def leaves_base_alone(folder: Path) -> bool:
    """Whether an adapter in a folder can be put over a base that others use: it changes nothing in the base.

    Others need their base in 4 bits, start by changing its weights, give it rows for new tokens, or bring whole
    weights that take the place of the base's own.
    """
    record, config = ResultRecord.load(folder), read_json(folder / "adapter_config.json")
    # PiSSA, OLoRA and the like take their first values out of the base.
    start = config.get("init_lora_weights", True)
    return (
        (record is None or record.four_bit is None)
        and start in (True, False, "gaussian")
        # The base's embedding grows in place for new tokens; see `vocabulary.grow_for_adapter`.
        and not brings_token_rows(folder)
        and not _brings_whole_weights(folder, config.get("peft_type"))
    )


def brings_token_rows(folder: Path) -> bool:
    """Whether an adapter in a folder has rows of the embedding: those of tokens that are new to its base."""
    return bool(read_json(folder / "adapter_config.json").get("trainable_token_indices"))


def _brings_whole_weights(folder: Path, kind: str | None) -> bool:
    """Whether an adapter holds weights that are not its kind's own, such as a saved embedding or head."""
    from peft.mapping import PEFT_TYPE_TO_PREFIX_MAPPING
    from safetensors import safe_open

    own: str = dict[Any, str](PEFT_TYPE_TO_PREFIX_MAPPING).get(kind, "")
    with safe_open(folder / "adapter_model.safetensors", framework="pt") as weights:
        # What belongs to no module of the base, such as virtual tokens, has a name of its own.
        return any(name.startswith("base_model.") and own not in name for name in weights.keys())  # noqa: SIM118


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
