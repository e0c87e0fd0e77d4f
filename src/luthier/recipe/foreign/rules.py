"""Rules that LLaMA-Factory and Axolotl share: both name most of training as Hugging Face does."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import PurePath
from typing import Any

from luthier.recipe.foreign.draft import Draft, Rule, Untranslatable

_COURSES = {
    "linear": "linear",
    "cosine": "cosine",
    "constant": "constant",
    "constant_with_warmup": "constant",
}


def number(value: Any) -> Any:
    """Return a number, also from text such as ``1e-4``, which YAML 1.1 does not take for a number."""
    if isinstance(value, str):
        try:
            value = float(value)
        except ValueError as error:
            raise Untranslatable(f"{value!r} is not a number") from error
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise Untranslatable(f"{value!r} is not a number")
    return value


def whole(value: Any) -> int:
    """Return a whole number."""
    value = number(value)
    if value != value or value in (float("inf"), float("-inf")) or int(value) != value:
        raise Untranslatable(f"{value!r} is not a whole number; Luthier counts in whole steps")
    return int(value)


def flag(value: Any) -> bool:
    """Return true or false."""
    if not isinstance(value, bool):
        raise Untranslatable(f"{value!r} is not true or false")
    return value


def text(value: Any) -> str:
    """Return text that is not empty."""
    if not isinstance(value, str) or not value.strip():
        raise Untranslatable(f"{value!r} is not a name")
    return value.strip()


def names(value: Any) -> list[str]:
    """Return a list of names, also from text with commas."""
    listed = value.split(",") if isinstance(value, str) else value
    if not isinstance(listed, list) or not listed:
        raise Untranslatable(f"{value!r} is not a list of names")
    return [text(entry) for entry in listed]


def copy(path: str, convert: Callable[[Any], Any] = number, note: str | None = None) -> Rule:
    """Return the rule of a key that only has another name here."""

    def rule(draft: Draft, key: str) -> None:
        draft.put(key, path, convert(draft.values[key]), note)

    return rule


def put_if_true(path: str, value: Any = True) -> Rule:
    """Return the rule of a flag that asks for ``value``, and whose false is Luthier's default."""

    def rule(draft: Draft, key: str) -> None:
        if flag(draft.values[key]):
            draft.put(key, path, value)
        else:
            draft.off(key)

    return rule


def eval_share(draft: Draft, key: str) -> None:
    """The share of the rows to hold out; both tools take 1 and more for a number of rows."""
    share = number(draft.values[key])
    if share == 0:
        draft.off(key)
    elif share >= 1:
        raise Untranslatable("a number of rows; Luthier takes a share: set data.eval.split")
    else:
        draft.put(key, "data.eval.split", float(share), "rows with the same first prompt stay on one side")


def course(draft: Draft, key: str) -> None:
    """The learning-rate schedule."""
    name = text(draft.values[key])
    if name not in _COURSES:
        raise Untranslatable(
            f"schedules here are linear, cosine and constant; {name} is none of them: choose one"
        )
    draft.put(key, "train.lr_scheduler_type", _COURSES[name])


def warmup_steps(draft: Draft, key: str) -> None:
    """Hugging Face takes 0 for "by the ratio", and below 1 a share of the steps."""
    value = number(draft.values[key])
    if 0 < value < 1:
        draft.put(key, "train.warmup_ratio", value, "below 1 it is a share of the steps")
    elif value == 0 and draft.values.get("warmup_ratio") is not None:
        draft.off(key)
    else:
        draft.put(key, "train.warmup_steps", whole(value))


def max_steps(draft: Draft, key: str) -> None:
    """Hugging Face takes -1 for "by the epochs"."""
    value = whole(draft.values[key])
    if value <= 0:
        draft.off(key)
    else:
        draft.put(key, "train.max_steps", value)


def max_grad_norm(draft: Draft, key: str) -> None:
    """Hugging Face takes 0 for "no clipping"."""
    value = number(draft.values[key])
    note = "0 switches clipping off" if value == 0 else None
    draft.put(key, "train.max_grad_norm", value or None, note)


def output_dir(draft: Draft, key: str) -> None:
    """The last part names the run."""
    path = PurePath(text(draft.values[key]))
    draft.put(key, "runs_dir", str(path.parent), "Luthier makes a run folder of its own in runs_dir")
    draft.put(key, "name", recipe_name(path.name))


def recipe_name(raw: str) -> str:
    """Return a name that a recipe may have."""
    return re.sub(r"[^A-Za-z0-9._-]+", "-", raw).lstrip("._-")[:64] or "imported"


def optimizer(draft: Draft, key: str) -> None:
    """AdamW, Adafactor and plain gradient descent have counterparts."""
    name = text(draft.values[key])
    if name in ("adamw_torch", "adamw_torch_fused", "adamw_hf"):
        draft.unneeded(key, "AdamW is what Luthier trains with")
    elif name.startswith(("adamw", "paged_adamw")):
        draft.drop(
            key, "AdamW here keeps its state in float32: more memory, the same update without rounding"
        )
    elif name in ("adafactor", "sgd"):
        draft.put(key, "train.optim", name)
    else:
        draft.drop(key, "Luthier has adamw, adafactor and sgd; the learning rate may need another value")


def bf16(draft: Draft, key: str) -> None:
    """Mixed precision."""
    value = draft.values[key]
    if value == "auto":
        draft.put(key, "model.dtype", "auto")
    elif value in (True, "full", "true"):
        draft.put(key, "model.dtype", "bfloat16", "trained weights and optimizer state stay in float32")
    elif value in ("no", "false") or not flag(value):
        draft.off(key)


def strategy(kind: str) -> Rule:
    """Return the rule of ``eval_strategy`` or ``save_strategy``."""

    def rule(draft: Draft, key: str) -> None:
        value = draft.values[key]
        if value in (False, "no") and kind == "save":
            raise Untranslatable("checkpoints cannot be switched off: a run must be able to resume")
        draft.put(key, f"train.{kind}_strategy", "no" if value is False else text(value))

    return rule


def report_to(draft: Draft, key: str) -> None:
    """TensorBoard is the only other place for metrics."""
    asked = [name for name in names(draft.values[key]) if name not in ("none", "[]")]
    others = [name for name in asked if name not in ("tensorboard", "all")]
    note = f"{', '.join(others)}: no counterpart, metrics are in the run's events.jsonl" if others else None
    reports = ["tensorboard"] if len(others) < len(asked) else []
    draft.put(key, "train.report_to", reports, note)


def best_metric(draft: Draft, key: str) -> None:
    """The held-out loss decides here."""
    if draft.values[key] in ("loss", "eval_loss"):
        draft.unneeded(key, "the held-out loss decides here too")
    else:
        raise Untranslatable(
            "the best checkpoint is the one with the lowest held-out loss; use `gates:` for more"
        )


SHARED: dict[str, Rule] = {
    "learning_rate": copy("train.learning_rate"),
    "weight_decay": copy("train.weight_decay"),
    "adam_beta1": copy("train.adam_beta1"),
    "adam_beta2": copy("train.adam_beta2"),
    "adam_epsilon": copy("train.adam_epsilon"),
    "max_grad_norm": max_grad_norm,
    "gradient_accumulation_steps": copy("train.gradient_accumulation_steps", whole),
    "warmup_ratio": copy("train.warmup_ratio"),
    "warmup_steps": warmup_steps,
    "max_steps": max_steps,
    "eval_strategy": strategy("eval"),
    "evaluation_strategy": strategy("eval"),
    "eval_steps": copy("train.eval_steps", whole),
    "save_strategy": strategy("save"),
    "save_steps": copy("train.save_steps", whole),
    "save_total_limit": copy("train.save_total_limit", whole, "the best checkpoint is kept besides"),
    "load_best_model_at_end": copy("train.load_best_model_at_end", flag),
    "metric_for_best_model": best_metric,
    "logging_steps": copy("train.logging_steps", whole),
    "seed": copy("seed", whole, "the same seed draws another order of the rows here"),
    "output_dir": output_dir,
    "trust_remote_code": put_if_true("model.trust_remote_code"),
    "lora_alpha": copy("method.lora_alpha", whole),
    "lora_dropout": copy("method.lora_dropout"),
    "bf16": bf16,
}
