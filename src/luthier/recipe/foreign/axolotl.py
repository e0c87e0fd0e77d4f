"""Axolotl's training YAML: its keys and its defaults."""

from __future__ import annotations

from typing import Any

from luthier.core.errors import Fault
from luthier.recipe.foreign.axolotl_data import datasets
from luthier.recipe.foreign.draft import Draft, Rule, Tool, Untranslatable
from luthier.recipe.foreign.reasons import AXOLOTL_UNNEEDED, AXOLOTL_WITHOUT
from luthier.recipe.foreign.rules import (
    SHARED,
    copy,
    course,
    eval_share,
    flag,
    names,
    number,
    optimizer,
    put_if_true,
    text,
    whole,
)
from luthier.recipe.foreign.settle import settle

_NAME = "Axolotl"
_TOO_LONG = {"drop": "drop", "truncate": "truncate", "raise": "error"}


def _adapter(draft: Draft, key: str) -> None:
    name = draft.values[key]
    if name not in ("lora", "qlora"):
        problem = f"adapter {name} is not supported"
        draft.faults.append(
            Fault(key, problem, "Luthier has lora; without an adapter every weight is trained")
        )
        raise Untranslatable(problem)
    draft.put(
        key, "method.name", "lora", "over a base in 4 bits: model.load_in_4bit" if name == "qlora" else None
    )


def _refuse(what: str) -> Rule:
    def rule(draft: Draft, key: str) -> None:
        if draft.values[key] is False:
            draft.off(key)
            return
        draft.faults.append(Fault(key, f"{what} is not supported yet", "Luthier trains sft and pretraining"))
        draft.drop(key, f"{what} is not supported yet")

    return rule


def _first_values(draft: Draft, key: str) -> None:
    """What the matrices of an adapter begin with; PEFT's ``true`` is Luthier's default."""
    value = draft.values[key]
    if value is True:
        draft.unneeded(key, "A begins with Kaiming's values, B with zeros")
    elif value in ("pissa", "gaussian"):
        draft.put(key, "method.init_lora_weights", value)
    else:
        raise Untranslatable(f"adapters begin with kaiming, gaussian or pissa here, not with {value}")


def _target_linear(draft: Draft, key: str) -> None:
    if flag(draft.values[key]):
        draft.put(key, "method.target_modules", "all-linear")
    else:
        draft.off(key)


def _target_modules(draft: Draft, key: str) -> None:
    value = draft.values[key]
    if draft.values.get("lora_target_linear") is True:
        draft.unneeded(key, "lora_target_linear adapts all linear layers")
    elif isinstance(value, str):
        # One string is a regular expression in PEFT, there as here.
        draft.put(key, "method.target_modules", text(value))
    else:
        draft.put(key, "method.target_modules", names(value))


def _per_epoch(kind: str) -> Rule:
    def rule(draft: Draft, key: str) -> None:
        count = number(draft.values[key])
        if count == 0 and kind == "eval":
            draft.put(key, "train.eval_strategy", "no")
            return
        if count <= 0:
            raise Untranslatable("checkpoints cannot be switched off: a run must be able to resume")
        note = None
        if count != 1:
            note = (
                f"once an epoch here, {count} times there: for that set {kind}_strategy: steps and {kind}_steps to "
                f"the steps of an epoch divided by {count}"
            )
        draft.put(key, f"train.{kind}_strategy", "epoch", note)

    return rule


def _sample_packing(draft: Draft, key: str) -> None:
    if not flag(draft.values[key]):
        draft.put(key, "train.packing", False)
        return
    note = (
        "micro_batch_size counted packed sequences of sequence_len; per_device_train_batch_size counts rows: raise "
        "it to keep the tokens of a step"
    )
    draft.put(key, "train.packing", True, note)


def _train_on_inputs(draft: Draft, key: str) -> None:
    if flag(draft.values[key]):
        draft.put(key, "objective.loss_on", "all")
    else:
        draft.off(key)


def _chat_template(draft: Draft, key: str) -> None:
    name = text(draft.values[key])
    if name == "chatml":
        draft.put(key, "data.chat_template", "chatml")
    elif name == "tokenizer_default":
        draft.unneeded(key, "the tokenizer's own template is the default here too")
    elif name == "jinja":
        draft.unneeded(key, "see chat_template_jinja")
    else:
        raise Untranslatable(
            "the tokenizer's own chat template is used; a base without one needs data.chat_template: chatml"
        )


def _chat_template_jinja(draft: Draft, key: str) -> None:
    located = (
        draft.locate(value) if len(value := text(draft.values[key])) < 1000 and "{" not in value else None
    )
    if located is None:
        raise Untranslatable("write the template to a file and set data.chat_template to its path")
    draft.put(key, "data.chat_template", located)


def _checkpointing(draft: Draft, key: str) -> None:
    value = draft.values[key]
    if value in ("unsloth", "offload", "offload_disk", "legacy"):
        note = f"{value}: activations are recomputed, never moved elsewhere"
        draft.put(key, "train.gradient_checkpointing", True, note)
    else:
        draft.put(key, "train.gradient_checkpointing", flag(value))


def _excess_length(draft: Draft, key: str) -> None:
    choice = text(draft.values[key])
    if choice not in _TOO_LONG:
        raise Untranslatable("known: drop, truncate, raise")
    draft.put(key, "data.too_long", _TOO_LONG[choice])


def _deduplicate(draft: Draft, key: str) -> None:
    draft.put(key, "data.clean.deduplicate", "exact" if flag(draft.values[key]) else "off")


def _tensorboard(draft: Draft, key: str) -> None:
    draft.put(key, "train.report_to", ["tensorboard"] if flag(draft.values[key]) else [])


_RULES: dict[str, Rule] = {
    **SHARED,
    "base_model": copy("model.base", text),
    "rl": _refuse("preference training"),
    "reward_model": _refuse("a reward model"),
    "process_reward_model": _refuse("a reward model"),
    "adapter": _adapter,
    "load_in_4bit": put_if_true("model.load_in_4bit"),
    "lora_r": copy("method.r", whole),
    "lora_target_linear": _target_linear,
    "lora_target_modules": _target_modules,
    "peft_use_rslora": put_if_true("method.use_rslora"),
    "peft_use_dora": put_if_true("method.use_dora"),
    "peft_init_lora_weights": _first_values,
    "datasets": datasets("data.train"),
    "test_datasets": datasets("data.eval.sources"),
    "val_set_size": eval_share,
    "sequence_len": copy("data.max_length", whole),
    "excess_length_strategy": _excess_length,
    "dataset_exact_deduplication": _deduplicate,
    "chat_template": _chat_template,
    "chat_template_jinja": _chat_template_jinja,
    "train_on_inputs": _train_on_inputs,
    "num_epochs": copy("train.num_train_epochs"),
    "micro_batch_size": copy("train.per_device_train_batch_size", whole),
    "eval_batch_size": copy("train.per_device_eval_batch_size", whole),
    "lr_scheduler": course,
    "optimizer": optimizer,
    "tokens": copy("vocabulary.add_tokens", names),
    "sample_packing": _sample_packing,
    "gradient_checkpointing": _checkpointing,
    "evals_per_epoch": _per_epoch("eval"),
    "saves_per_epoch": _per_epoch("save"),
    "early_stopping_patience": copy("train.early_stopping_patience", whole),
    "use_tensorboard": _tensorboard,
}


def _finish(draft: Draft) -> None:
    draft.default("objective.name", "sft", "no data set is of type completion")
    draft.default("method.name", "full", f"without an adapter {_NAME} trains every weight")
    if draft.get("method.name") == "lora" and not draft.has("method.target_modules"):
        draft.default("method.target_modules", "all-linear", "no target modules are named")
    if draft.values.get("bf16") is False and not draft.values.get("fp16"):
        draft.default("model.dtype", "float32", "bf16 and fp16 are off")
    if draft.has("train.eval_steps"):
        draft.default("train.eval_strategy", "steps", "follows from eval_steps")
    if draft.has("train.save_steps"):
        draft.default("train.save_strategy", "steps", "follows from save_steps")
    for path, value in _DEFAULTS.items():
        draft.default(path, value, f"{_NAME}'s default")
    if draft.values.get("adapter") == "qlora":
        draft.default("model.load_in_4bit", True, "adapter: qlora")
    settle(draft, _NAME)
    if draft.get("data.eval") and not draft.has("train.load_best_model_at_end"):
        draft.notes.append(
            "train.load_best_model_at_end: the result here is the checkpoint with the lowest held-out loss; "
            f"{_NAME} takes it only where save_steps is a multiple of eval_steps"
        )


_DEFAULTS: dict[str, Any] = {
    "data.clean.deduplicate": "off",
    "data.max_length": 512,
    "data.too_long": "drop",
    "train.per_device_train_batch_size": 1,
    "train.save_total_limit": 4,
}
"""Where Luthier's default is another one."""

AXOLOTL = Tool(
    name=_NAME,
    marks=frozenset(
        {
            "base_model",
            "datasets",
            "adapter",
            "sequence_len",
            "micro_batch_size",
            "num_epochs",
            "val_set_size",
            "lora_r",
        }
    ),
    rules=_RULES,
    unneeded=AXOLOTL_UNNEEDED,
    without=AXOLOTL_WITHOUT,
    finish=_finish,
)
