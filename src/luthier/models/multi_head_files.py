"""Files of a model with several heads: the trunk once, each head, and a folder for each task that others load."""

from __future__ import annotations

import copy
import os
import shutil
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file

from luthier.core.files import read_json, write_json
from luthier.models.load import ResultRecord
from luthier.models.multi_head import TASKS_FOLDER, MultiHeadModel

_TRUNK, _HEAD = "trunk.safetensors", "head.safetensors"
_METADATA = {"format": "pt"}
_TOKENIZER_FILES = (
    "tokenizer.json",
    "tokenizer_config.json",
    "special_tokens_map.json",
    "vocab.txt",
    "vocab.json",
    "merges.txt",
    "tokenizer.model",
    "chat_template.jinja",
)


def save_whole(model: MultiHeadModel, folder: Path, state: Mapping[str, torch.Tensor]) -> None:
    """Write a whole model.

    ``model.safetensors`` holds the trunk, as ``AutoModel`` loads it; ``tasks/NAME`` has the same file under another
    name (a hard link: it takes no room) and its head, so that transformers loads it as the model of that task.

    Args:
        model: The model.
        folder: An existing folder.
        state: Its weights by name, in the type to write.
    """
    inside = {n.removeprefix("trunk."): t.contiguous() for n, t in state.items() if n.startswith("trunk.")}
    written: dict[str, Path] = {}
    for task in model.task_names:
        prefix = model.prefixes[task]
        trunk = {f"{prefix}.{name}": tensor for name, tensor in inside.items()}
        own = folder / TASKS_FOLDER / task
        own.mkdir(parents=True)
        start = f"tasks.{task}."
        head = {n.removeprefix(start): t.contiguous() for n, t in state.items() if n.startswith(start)}
        save_file(head, own / _HEAD, metadata=_METADATA)
        if prefix in written:
            _link(written[prefix], own / _TRUNK)
        else:
            save_file(trunk, own / _TRUNK, metadata=_METADATA)
            written[prefix] = own / _TRUNK
        files = {**dict.fromkeys(trunk, _TRUNK), **dict.fromkeys(head, _HEAD)}
        size = sum(t.numel() * t.element_size() for t in (*trunk.values(), *head.values()))
        write_json(
            own / "model.safetensors.index.json", {"metadata": {"total_size": size}, "weight_map": files}
        )
        _save_config(model, task, own, dtype=next(iter(trunk.values())).dtype)
    _link(next(iter(written.values())), folder / "model.safetensors")


def _save_config(model: MultiHeadModel, task: str, folder: Path, *, dtype: torch.dtype | None = None) -> None:
    config = copy.deepcopy(model.task(task).config)
    config.architectures = [_class_name(model.tasks[task])]
    if dtype is not None:
        config.dtype = dtype
    config.save_pretrained(folder)


def finish_folder(model: Any, folder: Path, record: ResultRecord) -> None:
    """Complete a saved result with several heads; that of any other model stays as it is.

    The tasks are written beside it, and each gets the tokenizer and, under PEFT, an adapter of its own.

    Args:
        model: What was saved.
        folder: With the weights and the tokenizer.
        record: Of the result; each task's folder gets one with the keys of its own objective.
    """
    base = model.get_base_model() if hasattr(model, "get_base_model") else model
    if not isinstance(base, MultiHeadModel):
        return
    base.heads.save(folder)
    for task in base.task_names:
        own = folder / TASKS_FOLDER / task
        own.mkdir(parents=True, exist_ok=True)
        if (folder / "adapter_config.json").is_file():
            _save_adapter(base, folder, own, task)
        for name in _TOKENIZER_FILES:
            if (folder / name).is_file():
                _link(folder / name, own / name)
        _record_of(record, task).save(own)


def _record_of(record: ResultRecord, task: str) -> ResultRecord:
    sections = {section["name"]: section["objective"] for section in record.objective.get("tasks", ())}
    length = {key: value for key, value in record.objective.items() if key == "max_length"}
    return replace(record, objective={**sections.get(task, {}), **length})


def _save_adapter(base: MultiHeadModel, folder: Path, own: Path, task: str) -> None:
    """Write the adapter of one task: that of the trunk, and the task's head."""

    def own_name(name: str) -> str | None:
        is_idle = name.startswith("trunk.pooler") and task not in base.pooled
        return None if is_idle else _own_name(name, task, base.prefixes[task])

    weights = {}
    for name, tensor in load_file(folder / "adapter_model.safetensors").items():
        inside = own_name(name.removeprefix(_PEFT))
        if inside is not None:
            weights[f"{_PEFT}{inside}"] = tensor
    save_file(weights, own / "adapter_model.safetensors", metadata=_METADATA)
    settings = read_json(folder / "adapter_config.json")
    for key in ("target_modules", "exclude_modules", "modules_to_save"):
        if isinstance(settings.get(key), list):
            names = (own_name(str(name)) for name in settings[key])
            settings[key] = [name for name in names if name is not None] or None
    for key in ("rank_pattern", "alpha_pattern"):
        if settings.get(key):
            settings[key] = {own_name(name) or name: value for name, value in settings[key].items()}
    settings["task_type"] = base.heads.heads[task].task
    write_json(own / "adapter_config.json", settings)
    _save_config(base, task, own)


_PEFT = "base_model.model."


def _own_name(name: str, task: str, prefix: str) -> str | None:
    """Return what a module of the whole is called in the model of one task; None for what belongs to another."""
    if name == "trunk" or name.startswith("trunk."):
        return f"{prefix}{name.removeprefix('trunk')}"
    if name.startswith("tasks."):
        start = f"tasks.{task}."
        return name.removeprefix(start) if name.startswith(start) else None
    return name


def _link(source: Path, target: Path) -> None:
    """Give a file a second name; where the file system knows none, copy it."""
    try:
        os.link(source, target)
    except OSError:
        shutil.copyfile(source, target)


def _class_name(model: Any) -> str:
    """Return the class of transformers that a model is, also where kernels have been mixed in."""
    return next(kind.__name__ for kind in type(model).__mro__ if kind.__module__.startswith("transformers."))
