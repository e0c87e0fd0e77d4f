"""What takes no effect beside other keys is taken back, as `luthier plan` would refuse it."""

from __future__ import annotations

from luthier.recipe.foreign.draft import Draft

_LORA_PATHS = tuple(
    f"method.{key}"
    for key in (
        "r", "lora_alpha", "lora_dropout", "target_modules", "use_rslora", "use_dora", "init_lora_weights",
    )
)  # fmt: skip
_NO_ROWS = "has no effect: no rows are held out"


def settle(draft: Draft, tool: str) -> None:
    """Take back what has no effect; ``tool`` is named in the reasons."""
    _settle_method(draft)
    if draft.has("train.max_steps"):
        draft.withdraw("train.num_train_epochs", "has no effect beside max_steps")
    if "constant" in (draft.values.get("lr_scheduler_type"), draft.values.get("lr_scheduler")):
        for path in ("train.warmup_ratio", "train.warmup_steps"):
            draft.withdraw(path, f"{tool} does not warm up a constant rate")
        draft.default("train.warmup_ratio", 0.0, f"{tool} does not warm up a constant rate")
    if (optim := draft.get("train.optim")) in ("adafactor", "sgd"):
        for key in ("adam_beta1", "adam_beta2", "adam_epsilon"):
            draft.withdraw(f"train.{key}", f"has no effect: the optimizer is {optim}")
    if draft.has("train.warmup_steps"):
        draft.withdraw("train.warmup_ratio", "has no effect beside warmup_steps")
    if draft.get("objective.name") == "pretraining":
        for path in ("objective.loss_on", "data.chat_template", "data.too_long"):
            draft.withdraw(
                path, "has no effect: every token of raw text is trained, and text is cut into blocks"
            )
    _settle_evaluation(draft, tool)
    if draft.get("train.save_strategy") == "steps":
        draft.default("train.save_steps", 500, f"{tool} takes Hugging Face's default")
    else:
        draft.withdraw("train.save_steps", "has no effect: checkpoints are written every epoch")


def _settle_method(draft: Draft) -> None:
    name = draft.get("method.name")
    if name != "lora":
        for path in _LORA_PATHS:
            draft.withdraw(path, f"has no effect: the method is {name}")
    if name in ("full", "freeze"):
        draft.withdraw("model.load_in_4bit", f"weights in 4 bits cannot be trained, and the method is {name}")
    if draft.get("model.load_in_4bit") and draft.get("method.init_lora_weights") == "pissa":
        draft.withdraw("method.init_lora_weights", "pissa reads the base's matrices, which are in 4 bits")
    if not draft.get("model.load_in_4bit"):
        for path in ("model.bnb_4bit_quant_type", "model.bnb_4bit_use_double_quant"):
            draft.withdraw(path, "has no effect: the base is not stored in 4 bits")
    if name != "freeze":
        for path in ("method.trainable_layers", "method.trainable_patterns"):
            draft.withdraw(path, f"has no effect: the method is {name}")


def _settle_evaluation(draft: Draft, tool: str) -> None:
    if draft.get("data.eval.sources"):
        draft.withdraw("data.eval.split", "has no effect beside held-out rows of their own")
    is_held_out = bool(draft.get("data.eval.sources") or draft.get("data.eval.split"))
    if not is_held_out:
        draft.default(
            "data.eval", {}, "no share to hold out is given; `split: 0.1` lets Luthier compare base and tuned"
        )
        for key in ("eval_strategy", "eval_steps", "per_device_eval_batch_size"):
            draft.withdraw(f"train.{key}", _NO_ROWS)
    if not is_held_out or draft.get("train.eval_strategy") == "no":
        why = _NO_ROWS if not is_held_out else "has no effect: nothing is evaluated during training"
        for key in ("load_best_model_at_end", "early_stopping_patience", "early_stopping_threshold"):
            draft.withdraw(f"train.{key}", why)
    if draft.get("train.eval_strategy") == "steps":
        every = draft.get("train.logging_steps") or 500
        draft.default("train.eval_steps", every, f"{tool} takes logging_steps")
    else:
        draft.withdraw("train.eval_steps", "has no effect: eval_strategy is not steps")
