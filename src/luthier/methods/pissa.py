"""PiSSA: adapters that begin as a weight's largest singular vectors, saved as ordinary adapters (arXiv:2404.02948).

PEFT takes those vectors out of the base's weights. An adapter that is saved as it is and loaded over the untouched base
would therefore count them twice. Their difference from the first values is an ordinary adapter of twice the rank:
B A - B0 A0 = [B, -B0] [A; A0].
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch


def initial_factors(model: Any) -> dict[str, torch.Tensor]:
    """Return copies of the first A and B of every adapter, by their names in the model."""
    return {
        name: parameter.detach().clone()
        for name, parameter in model.named_parameters()
        if ".lora_A." in name or ".lora_B." in name
    }


def as_plain_lora(model: Any, initial: dict[str, torch.Tensor], folder: Path) -> None:
    """Save the adapter as an ordinary one of twice the rank, its scale worked into B.

    Args:
        model: A ``peft.PeftModel`` whose adapter ``default`` began as PiSSA.
        initial: What `initial_factors` returned then.
        folder: Gets ``adapter_model.safetensors`` and ``adapter_config.json``.
    """
    from peft import get_peft_model_state_dict
    from safetensors.torch import save_file

    tensors = dict(get_peft_model_state_dict(model, save_embedding_layers=False))
    for name, module in model.named_modules():
        if not hasattr(module, "lora_A") or "default" not in module.lora_A:
            continue
        scale = module.scaling["default"]
        down, up = (initial[f"{name}.lora_{side}.default.weight"] for side in "AB")
        ends = f"{name}.lora_A.weight", f"{name}.lora_B.weight"
        tensors[ends[0]] = torch.cat([tensors[ends[0]], down])
        tensors[ends[1]] = torch.cat([tensors[ends[1]], -up], dim=1) * scale
    save_file(
        {key: tensor.detach().contiguous() for key, tensor in tensors.items()},
        folder / "adapter_model.safetensors",
    )
    _plain_config(model.peft_config["default"]).save_pretrained(folder)


def _plain_config(config: Any) -> Any:
    """Return the configuration of the ordinary adapter: twice the ranks, and a scale of 1."""
    plain = type(config)(**{**config.to_dict(), "init_lora_weights": True, "use_rslora": False})
    plain.r = plain.lora_alpha = 2 * config.r
    plain.rank_pattern = {key: 2 * rank for key, rank in config.rank_pattern.items()}
    plain.alpha_pattern = dict(plain.rank_pattern)
    plain.inference_mode = True
    return plain
