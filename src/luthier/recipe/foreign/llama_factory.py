"""LLaMA-Factory's training YAML: its keys and its defaults."""

from __future__ import annotations

from typing import Any

from luthier.core.errors import Fault
from luthier.recipe.foreign.draft import Draft, Rule, Tool, Untranslatable
from luthier.recipe.foreign.llama_factory_data import datasets
from luthier.recipe.foreign.reasons import LLAMA_FACTORY_UNNEEDED, LLAMA_FACTORY_WITHOUT
from luthier.recipe.foreign.rules import (
    SHARED,
    bf16,
    copy,
    course,
    eval_share,
    flag,
    names,
    optimizer,
    put_if_true,
    report_to,
    text,
    whole,
)
from luthier.recipe.foreign.settle import settle

_NAME = "LLaMA-Factory"


def _stage(draft: Draft, key: str) -> None:
    stage = draft.values[key]
    if stage not in ("sft", "pt"):
        problem = f"stage {stage} is not supported yet"
        draft.faults.append(Fault(key, problem, "Luthier trains sft and pt (continued pretraining)"))
        raise Untranslatable(problem)
    draft.put(key, "objective.name", "sft" if stage == "sft" else "pretraining")


def _method(draft: Draft, key: str) -> None:
    name = draft.values[key]
    if name not in ("full", "freeze", "lora"):
        problem = f"finetuning_type {name} is not supported"
        draft.faults.append(Fault(key, problem, "Luthier has full, freeze and lora"))
        raise Untranslatable(problem)
    draft.put(key, "method.name", name)


def _bits(draft: Draft, key: str) -> None:
    if whole(draft.values[key]) != 4:
        raise Untranslatable("a base is stored in 4 bits (model.load_in_4bit) or as it is")
    draft.put(key, "model.load_in_4bit", True)


def _lora_target(draft: Draft, key: str) -> None:
    listed = names(draft.values[key])
    if listed == ["all"]:
        draft.put(key, "method.target_modules", "all-linear")
    else:
        draft.put(key, "method.target_modules", listed)


def _freeze_layers(draft: Draft, key: str) -> None:
    count = whole(draft.values[key])
    if count == 0:
        raise Untranslatable("no layer would be trained")
    if count > 0:
        draft.put(key, "method.trainable_layers", count)
    else:
        patterns = [f"*.layers.{layer}.*" for layer in range(-count)]
        note = "a negative number counts from the first layer; the patterns fit Llama-like names"
        draft.put(key, "method.trainable_patterns", patterns, note)


def _freeze_modules(draft: Draft, key: str) -> None:
    if draft.values[key] == "all":
        draft.off(key)
    else:
        raise Untranslatable("whole layers are trained; write `trainable_patterns` yourself, e.g. '*.mlp.*'")


def _template(draft: Draft, key: str) -> None:
    name = text(draft.values[key])
    if name == "chatml":
        draft.put(key, "data.chat_template", "chatml")
    else:
        raise Untranslatable(
            "the tokenizer's own chat template is used; a base without one needs data.chat_template: chatml"
        )


def _packing(draft: Draft, key: str) -> None:
    if not flag(draft.values[key]):
        if key == "packing" and not draft.values.get("neat_packing"):
            draft.put(key, "train.packing", False)
        else:
            draft.off(key)
        return
    note = (
        "per_device_train_batch_size counts rows here, not packed sequences of cutoff_len: raise it to keep "
        "the tokens of a step"
    )
    if not draft.values.get("neat_packing"):
        note = f"packed rows never see each other here (neat_packing there); {note}"
    draft.put(key, "train.packing", True, note)


def _no_checkpointing(draft: Draft, key: str) -> None:
    if flag(draft.values[key]):
        draft.put(key, "train.gradient_checkpointing", False)
    else:
        draft.off(key)


def _with_dataset(draft: Draft, key: str) -> None:
    if "dataset" not in draft.values and "eval_dataset" not in draft.values:
        raise Untranslatable("has no effect without dataset")
    draft.unneeded(key, "the paths in the recipe hold it")


def _max_samples(draft: Draft, key: str) -> None:
    count = whole(draft.values[key])
    for path in ("data.train", "data.eval.sources"):
        if sources := draft.get(path):
            limited = [{**source, "limit": min(count, source.get("limit", count))} for source in sources]
            draft.put(key, path, limited)
    if not draft.get("data.train"):
        raise Untranslatable("has no effect without dataset")


_RULES: dict[str, Rule] = {
    **SHARED,
    "model_name_or_path": copy("model.base", text),
    "stage": _stage,
    "finetuning_type": _method,
    "quantization_bit": _bits,
    "quantization_type": copy("model.bnb_4bit_quant_type", text),
    "double_quantization": copy("model.bnb_4bit_use_double_quant", flag),
    "lora_rank": copy("method.r", whole),
    "lora_target": _lora_target,
    "use_rslora": put_if_true("method.use_rslora"),
    "use_dora": put_if_true("method.use_dora"),
    "pissa_init": put_if_true("method.init_lora_weights", "pissa"),
    "freeze_trainable_layers": _freeze_layers,
    "freeze_trainable_modules": _freeze_modules,
    "dataset": datasets("data.train"),
    "eval_dataset": datasets("data.eval.sources"),
    "dataset_dir": _with_dataset,
    "max_samples": _max_samples,
    "template": _template,
    "cutoff_len": copy(
        "data.max_length", whole, "long rows keep whole turns from the start here; see data.too_long"
    ),
    "val_size": eval_share,
    "train_on_prompt": put_if_true("objective.loss_on", "all"),
    "mask_history": put_if_true("objective.loss_on", "last_turn"),
    "add_tokens": copy("vocabulary.add_tokens", names),
    "add_special_tokens": copy("vocabulary.add_special_tokens", names),
    "new_special_tokens": copy("vocabulary.add_special_tokens", names),
    "packing": _packing,
    "neat_packing": _packing,
    "num_train_epochs": copy("train.num_train_epochs"),
    "per_device_train_batch_size": copy("train.per_device_train_batch_size", whole),
    "per_device_eval_batch_size": copy("train.per_device_eval_batch_size", whole),
    "lr_scheduler_type": course,
    "optim": optimizer,
    "gradient_checkpointing": copy("train.gradient_checkpointing", flag),
    "disable_gradient_checkpointing": _no_checkpointing,
    "early_stopping_steps": copy("train.early_stopping_patience", whole),
    "pure_bf16": bf16,
    "report_to": report_to,
}


def _finish(draft: Draft) -> None:
    draft.default("objective.name", "sft", f"{_NAME}'s default stage")
    draft.default("method.name", "lora", f"{_NAME}'s default finetuning_type")
    if draft.get("method.name") == "lora":
        draft.default("method.r", 8, f"{_NAME}'s default")
        draft.default("method.lora_alpha", 2 * draft.get("method.r"), f"{_NAME} takes twice the rank")
        draft.default("method.target_modules", "all-linear", f"{_NAME}'s default lora_target is all")
    if draft.get("method.name") == "freeze" and not draft.has("method.trainable_patterns"):
        draft.default("method.trainable_layers", 2, f"{_NAME}'s default")
    for path, value in _DEFAULTS.items():
        draft.default(path, value, f"{_NAME}'s default")
    if draft.get("data.eval.sources") or draft.get("data.eval.split"):
        draft.default("train.eval_strategy", "no", f"{_NAME}'s default, although rows are held out")
        draft.default("train.load_best_model_at_end", False, f"{_NAME}'s default")
    settle(draft, _NAME)


_DEFAULTS: dict[str, Any] = {
    "data.clean.deduplicate": "off",
    "data.max_length": 2048,
    "train.learning_rate": 5e-5,
    "train.num_train_epochs": 3.0,
    "train.lr_scheduler_type": "linear",
    "train.warmup_ratio": 0.0,
    "train.gradient_checkpointing": True,
    "train.save_strategy": "steps",
}
"""Where Luthier's default is another one."""

LLAMA_FACTORY = Tool(
    name=_NAME,
    marks=frozenset(
        {
            "model_name_or_path",
            "finetuning_type",
            "stage",
            "dataset",
            "dataset_dir",
            "cutoff_len",
            "template",
            "lora_rank",
            "lora_target",
            "per_device_train_batch_size",
        }
    ),  # fmt: skip
    rules=_RULES,
    unneeded=LLAMA_FACTORY_UNNEEDED,
    without=LLAMA_FACTORY_WITHOUT,
    finish=_finish,
)
