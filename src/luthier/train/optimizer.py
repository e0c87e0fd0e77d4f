"""The optimizers that a recipe names, with weight decay on matrices only, and their state as plain tensors."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import torch

from luthier.recipe.schema import TrainSection

_NUMBER = "number:"
"""Marks what an optimizer keeps as a plain number, such as its count of steps."""


def build_optimizer(
    parameters: Mapping[str, torch.nn.Parameter], settings: TrainSection
) -> torch.optim.Optimizer:
    """Return the recipe's optimizer; vectors (norms, biases) are not decayed (arXiv:1711.05101)."""
    matrices = [p for p in parameters.values() if p.ndim >= 2]
    vectors = [p for p in parameters.values() if p.ndim < 2]
    groups = [
        {"params": matrices, "weight_decay": settings.weight_decay},
        {"params": vectors, "weight_decay": 0.0},
    ]
    return _BUILDERS[settings.optim]([group for group in groups if group["params"]], settings)


def _adamw(groups: list[dict[str, Any]], settings: TrainSection) -> torch.optim.Optimizer:
    return torch.optim.AdamW(groups, lr=settings.learning_rate, **_adam_rules(settings), fused=True)


def _paged_adamw(groups: list[dict[str, Any]], settings: TrainSection) -> torch.optim.Optimizer:
    """AdamW with float32 moments in memory that the GPU's driver pages out (arXiv:2305.14314, section 3)."""
    from bitsandbytes.optim import PagedAdamW32bit

    made: torch.optim.Optimizer = PagedAdamW32bit(groups, lr=settings.learning_rate, **_adam_rules(settings))
    return made


def _adam_rules(settings: TrainSection) -> dict[str, Any]:
    return {"betas": (settings.adam_beta1, settings.adam_beta2), "eps": settings.adam_epsilon}


def _adafactor(groups: list[dict[str, Any]], settings: TrainSection) -> torch.optim.Optimizer:
    """Adafactor (arXiv:1804.04235) with the recipe's rate, as Hugging Face's trainer sets it up."""
    from transformers.optimization import Adafactor

    made: torch.optim.Optimizer = Adafactor(
        groups, lr=settings.learning_rate, scale_parameter=False, relative_step=False
    )
    return made


def _sgd(groups: list[dict[str, Any]], settings: TrainSection) -> torch.optim.Optimizer:
    """Plain gradient descent: without momentum, its weight decay is decoupled, too."""
    return torch.optim.SGD(groups, lr=settings.learning_rate)


_BUILDERS: dict[str, Callable[[list[dict[str, Any]], TrainSection], torch.optim.Optimizer]] = {
    "adamw": _adamw,
    "paged_adamw": _paged_adamw,
    "adafactor": _adafactor,
    "sgd": _sgd,
}


def optimizer_tensors(
    optimizer: torch.optim.Optimizer, parameters: Mapping[str, torch.nn.Parameter]
) -> dict[str, torch.Tensor]:
    """Return the optimizer's state as tensors called ``<parameter>/<kind>``, numbers marked."""
    return dict(
        _as_tensor(name, kind, value)
        for name, parameter in parameters.items()
        for kind, value in optimizer.state.get(parameter, {}).items()
        if value is not None
    )


def _as_tensor(name: str, kind: str, value: Any) -> tuple[str, torch.Tensor]:
    if isinstance(value, torch.Tensor):
        return f"{name}/{kind}", value
    exact = torch.float64 if isinstance(value, float) else torch.int64
    return f"{name}/{_NUMBER}{kind}", torch.tensor(value, dtype=exact)


def restore_optimizer(
    optimizer: torch.optim.Optimizer,
    parameters: Mapping[str, torch.nn.Parameter],
    tensors: Mapping[str, torch.Tensor],
) -> None:
    """Put back what `optimizer_tensors` returned."""
    for key, tensor in tensors.items():
        name, _, kind = key.rpartition("/")
        parameter = parameters[name]
        if kind.startswith(_NUMBER):
            optimizer.state[parameter][kind.removeprefix(_NUMBER)] = tensor.item()
        elif tensor.shape == parameter.shape and hasattr(optimizer, "get_state_buffer"):
            paged = optimizer.get_state_buffer(parameter, dtype=tensor.dtype)
            optimizer.state[parameter][kind] = paged.copy_(tensor)
        else:
            optimizer.state[parameter][kind] = tensor.clone()
