"""Bottleneck adapters as one of PEFT's tuners: loaded, saved, switched and named like any other (arXiv:1902.00751)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import torch
from peft import PeftConfig
from peft.mapping import PEFT_TYPE_TO_CONFIG_MAPPING, PEFT_TYPE_TO_PREFIX_MAPPING, PEFT_TYPE_TO_TUNER_MAPPING
from peft.tuners.tuners_utils import BaseTuner, BaseTunerLayer
from torch import Tensor, nn

from luthier.models.quantized import matrix_shape
from luthier.plan.layer_roles import role_of

PEFT_TYPE: Any = "BOTTLENECK"
_PREFIX = "bottleneck_"
_ACTIVATIONS: dict[str, Callable[[Tensor], Tensor]] = {
    "relu": nn.functional.relu,
    "gelu": nn.functional.gelu,
    "silu": nn.functional.silu,
    "tanh": torch.tanh,
}


@dataclass
class BottleneckConfig(PeftConfig):
    """What ``adapter_config.json`` holds.

    Args:
        target_modules: Layers whose output an adapter bends.
        bottleneck_size: Width of the middle; None goes by the factor.
        reduction_factor: Width of the output over that of the middle.
        non_linearity: Activation of the middle.
        share_across_layers: One adapter for all layers of one place and width.
        modules_to_save: A task's head, saved whole.
    """

    target_modules: list[str] | None = field(default=None)
    exclude_modules: list[str] | None = field(default=None)
    bottleneck_size: int | None = field(default=None)
    reduction_factor: int = field(default=16)
    non_linearity: str = field(default="relu")
    share_across_layers: bool = field(default=False)
    modules_to_save: list[str] | None = field(default=None)

    def __post_init__(self) -> None:
        super().__post_init__()
        self.peft_type = PEFT_TYPE

    def width_of(self, outputs: int) -> int:
        """Return the middle's width for a layer of so many outputs."""
        return self.bottleneck_size or max(1, outputs // self.reduction_factor)


class Bottleneck(nn.Module):
    """``up(act(down(x)))``, zero at first.

    Args:
        width: Of the output that it bends.
        middle: Its own.
        non_linearity: Name of the activation.
    """

    def __init__(self, width: int, middle: int, non_linearity: str) -> None:
        super().__init__()
        self.down = nn.Linear(width, middle)
        self.up = nn.Linear(middle, width)
        self._non_linearity = non_linearity
        nn.init.zeros_(self.up.weight)
        nn.init.zeros_(self.up.bias)

    def forward(self, x: Tensor) -> Tensor:
        """Return what is added to ``x``."""
        bent: Tensor = self.up(_ACTIVATIONS[self._non_linearity](self.down(x.to(self.down.weight.dtype))))
        return bent


class BottleneckLayer(nn.Module, BaseTunerLayer):
    """A layer whose output passes through the active adapters before it goes on to the residual stream."""

    adapter_layer_names = ("bottleneck_adapters",)

    def __init__(self, base_layer: nn.Module) -> None:
        super().__init__()
        self.base_layer = base_layer
        self.bottleneck_adapters = nn.ModuleDict({})
        self.merged_adapters: list[str] = []
        self._active_adapter: Any = []

    def add(self, name: str, adapter: Bottleneck, *, inference_mode: bool, is_active: bool) -> None:
        """Put an adapter there; the layers of one model may share it."""
        self.bottleneck_adapters[name] = adapter
        if is_active:
            self.set_adapter([name], inference_mode=inference_mode)
        else:
            adapter.requires_grad_(False)

    def forward(self, x: Tensor, *args: Any, **kwargs: Any) -> Tensor:
        """Return the layer's output and what each active adapter adds to it."""
        out: Tensor = self.base_layer(x, *args, **kwargs)
        if self.disable_adapters:
            return out
        added = [
            self.bottleneck_adapters[name](out)
            for name in self.active_adapters
            if name in self.bottleneck_adapters
        ]
        return out + sum(added).to(out.dtype) if added else out


class BottleneckModel(BaseTuner):
    """Puts bottleneck adapters behind the target layers of a model."""

    prefix = _PREFIX
    tuner_layer_cls = BottleneckLayer
    target_module_mapping: dict[str, list[str]] = {}

    def _create_and_replace(
        self,
        peft_config: Any,
        adapter_name: str,
        target: Any,
        target_name: str,
        parent: nn.Module,
        current_key: str,
        parameter_name: str | None = None,
    ) -> None:
        layer = target
        if not isinstance(target, BottleneckLayer):
            layer = BottleneckLayer(target)
            self._replace_module(parent, target_name, layer, target)
        adapter = self._adapter(peft_config, adapter_name, layer.get_base_layer(), current_key)
        is_active = adapter_name in self.active_adapters
        layer.add(adapter_name, adapter, inference_mode=peft_config.inference_mode, is_active=is_active)

    @classmethod
    def _remove_adapter_name_from_key(cls, key: str, adapter_name: str) -> str:
        """Files do not name the adapter, so that it can be loaded under any name; PEFT expects no module below it."""
        return key.replace(f".bottleneck_adapters.{adapter_name}.", ".bottleneck_adapters.")

    def _adapter(self, config: BottleneckConfig, adapter_name: str, layer: Any, key: str) -> Bottleneck:
        """Return a new adapter, or the one that layers of this place and width share."""
        width, _ = matrix_shape(layer)
        shared: dict[Any, Bottleneck] = self.__dict__.setdefault("_shared_adapters", {})
        place = (adapter_name, role_of(key), width)
        if config.share_across_layers and place in shared:
            return shared[place]
        made = Bottleneck(width, config.width_of(width), config.non_linearity).to(layer.weight.device)
        shared[place] = made
        return made


def register() -> None:
    """Make PEFT know the kind, so that ``PeftModel.from_pretrained`` loads it; doing so again changes nothing."""
    PEFT_TYPE_TO_CONFIG_MAPPING[PEFT_TYPE] = BottleneckConfig
    PEFT_TYPE_TO_TUNER_MAPPING[PEFT_TYPE] = BottleneckModel
    PEFT_TYPE_TO_PREFIX_MAPPING[PEFT_TYPE] = _PREFIX
