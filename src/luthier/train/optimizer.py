"""AdamW with weight decay on matrices only, and its state as plain tensors."""

from __future__ import annotations

from collections.abc import Mapping

import torch

from luthier.recipe.schema import TrainSection


def build_optimizer(
    parameters: Mapping[str, torch.nn.Parameter], settings: TrainSection
) -> torch.optim.AdamW:
    """Return AdamW; vectors (norms, biases) are not decayed (arXiv:1711.05101)."""
    matrices = [p for p in parameters.values() if p.ndim >= 2]
    vectors = [p for p in parameters.values() if p.ndim < 2]
    groups = [
        {"params": matrices, "weight_decay": settings.weight_decay},
        {"params": vectors, "weight_decay": 0.0},
    ]
    return torch.optim.AdamW(
        [group for group in groups if group["params"]],
        lr=settings.learning_rate,
        betas=(settings.adam_beta1, settings.adam_beta2),
        eps=settings.adam_epsilon,
        fused=True,
    )


def optimizer_tensors(
    optimizer: torch.optim.Optimizer, parameters: Mapping[str, torch.nn.Parameter]
) -> dict[str, torch.Tensor]:
    """Return the optimizer's state as tensors called ``<parameter>/<kind>``."""
    return {
        f"{name}/{kind}": tensor
        for name, parameter in parameters.items()
        for kind, tensor in optimizer.state.get(parameter, {}).items()
    }


def restore_optimizer(
    optimizer: torch.optim.Optimizer,
    parameters: Mapping[str, torch.nn.Parameter],
    tensors: Mapping[str, torch.Tensor],
) -> None:
    """Put back what `optimizer_tensors` returned."""
    for key, tensor in tensors.items():
        name, _, kind = key.rpartition("/")
        optimizer.state[parameters[name]][kind] = tensor.clone()
