"""plan.json: every resolved value and where it came from."""

from __future__ import annotations

from typing import Any

from luthier.plan.resolve import Plan


def plan_record(plan: Plan) -> dict[str, Any]:
    """Return the content of ``plan.json``."""
    return {
        "recipe_folder": str(plan.recipe_folder),
        "overrides": list(plan.overrides),
        "values": {path: {"value": v, "from": plan.origin(path)} for path, v in plan.values().items()},
        "base": {
            "folder": str(plan.base.folder),
            "architecture": plan.base.architecture,
            "parameters": plan.base.num_parameters,
        },
        "trainable_parameters": plan.trainable.num_trainable,
        "total_parameters": plan.trainable.num_total,
        "notices": list(plan.notices),
    }
