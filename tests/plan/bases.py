"""Recipes and bases for the tests of the plan."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

from luthier.plan.base_facts import BaseFacts
from luthier.plan.resolve import Plan, resolve
from luthier.recipe.load import LoadedRecipe, load

LAYER = {
    "self_attn.q_proj": (32, 32),
    "self_attn.k_proj": (16, 32),
    "self_attn.v_proj": (16, 32),
    "self_attn.o_proj": (32, 32),
    "mlp.gate_proj": (48, 32),
    "mlp.up_proj": (48, 32),
    "mlp.down_proj": (32, 48),
    "input_layernorm": (32,),
    "post_attention_layernorm": (32,),
}


def made_base(architecture: str = "LlamaForCausalLM", max_positions: int = 2048) -> BaseFacts:
    """Facts of a Llama of two layers that needs no file."""
    shapes: dict[str, tuple[int, ...]] = {"model.embed_tokens.weight": (97, 32), "model.norm.weight": (32,)}
    for layer in range(2):
        shapes |= {f"model.layers.{layer}.{name}.weight": shape for name, shape in LAYER.items()}
    return BaseFacts(Path(), architecture, "llama", max_positions, 97, 4, shapes)


def read_recipe(folder: Path, *overrides: str, **sections: Any) -> LoadedRecipe:
    """Write a recipe with its rows into ``folder`` and read it."""
    for name in ("rows.jsonl", "held_out.jsonl"):
        (folder / name).write_text('{"prompt": "a", "completion": "b"}\n')
    values = {
        "name": "made",
        "model": {"base": "base"},
        "data": {"train": [{"path": "rows.jsonl"}]},
        **sections,
    }
    (folder / "recipe.yaml").write_text(yaml.safe_dump(values))
    return load(folder / "recipe.yaml", overrides)


def made_plan(folder: Path, base: Any, *overrides: str, **sections: Any) -> Plan:
    """Save a model as the base of a recipe and resolve it."""
    if not (folder / "base").exists():
        base.save_pretrained(folder / "base")
    return resolve(read_recipe(folder, *overrides, **sections), locate_base=Path)
