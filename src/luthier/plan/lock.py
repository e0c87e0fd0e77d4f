"""The lock: hashes, versions, seeds and hardware that a run stands on."""

from __future__ import annotations

import platform
from importlib import metadata
from typing import Any

from luthier import __version__
from luthier.core.hashing import hash_bytes
from luthier.plan.resolve import Plan

_PACKAGES = ("torch", "transformers", "peft", "accelerate", "tokenizers", "safetensors", "numpy")


def lock_facts(plan: Plan, hashes: dict[str, str]) -> dict[str, Any]:
    """Return the content of ``lock.json``.

    Args:
        plan: The plan of the run.
        hashes: Content hashes by name: base, data, tokenizer, chat template.
    """
    return {
        "luthier": __version__,
        "hashes": {"recipe": hash_bytes(plan.recipe_text.encode()), **hashes},
        "packages": {name: metadata.version(name) for name in _PACKAGES},
        "python": platform.python_version(),
        "seed": plan.recipe.seed,
        "hardware": {
            "device": plan.hardware.device,
            "name": plan.hardware.device_name,
            "cores": plan.hardware.num_cores,
            "memory_bytes": plan.hardware.memory_bytes,
        },
    }
