"""Several adapters over one base in memory: each answers under its own name, and the base under its own."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from luthier.core.errors import ModelError
from luthier.core.files import read_json
from luthier.core.hashing import short
from luthier.models.chat_model import ChatModel, load_text_side
from luthier.models.heads import saved_head
from luthier.models.load import (
    ResultRecord,
    base_of_adapter,
    is_adapter,
    load_base_of,
    put_adapter,
    weights_hash,
)
from luthier.models.peft_notices import without_groundless_warnings
from luthier.plan.hardware import detect_hardware

_BASE = None
"""Stands for no adapter."""


class AdapterSet:
    """One PEFT model that many callers share, each with an adapter of its own.

    Args:
        model: A ``peft.PeftModel`` with every adapter loaded.
    """

    def __init__(self, model: Any) -> None:
        self._model = model
        self._lock = threading.Lock()
        self._chosen: str | None = model.active_adapter

    def run(self, name: str | None, *args: Any, **kwargs: Any) -> Any:
        """Run the model with one adapter, or with none; nobody can switch it in between."""
        with self._lock:
            if name != self._chosen:
                self._choose(name)
            return self._model(*args, **kwargs)

    def _choose(self, name: str | None) -> None:
        if name is _BASE:
            self._model.base_model.disable_adapter_layers()
        else:
            self._model.base_model.enable_adapter_layers()
            self._model.set_adapter(name, inference_mode=True)
        self._chosen = name


class AdapterView:
    """One adapter of a set, used like a model of its own.

    Args:
        adapters: The set.
        name: Of the adapter; None for the base without any.
        model: What is asked for everything but answers, such as its configuration.
    """

    def __init__(self, adapters: AdapterSet, name: str | None, model: Any) -> None:
        self._adapters = adapters
        self._name = name
        self._model = model

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Run the model with this adapter."""
        return self._adapters.run(self._name, *args, **kwargs)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._model, name)


def load_chat_models(folder: Path, name: str, adapters: Mapping[str, Path]) -> dict[str, ChatModel]:
    """Load a model and adapters beside it, over one copy of their base.

    Args:
        folder: A base, or an adapter, whose base then is the common one.
        name: To call it by.
        adapters: Folders of further adapters, by the names to call them by.

    Returns:
        A chat model by name, the first for ``folder``.

    Raises:
        ModelError: An adapter has another base, was trained over it in another form, or cannot be switched.
    """
    if not adapters:
        return {name: ChatModel.from_folder(folder)}
    if name in adapters:
        raise ModelError(f"two models are called {name}", cure="--name gives the first another name")
    first_is_adapter = is_adapter(folder)
    all_adapters = {name: folder, **adapters} if first_is_adapter else dict(adapters)
    base_folder = base_of_adapter(folder) if first_is_adapter else folder
    check_same_base(base_folder, all_adapters)
    model, inner = load_side_by_side(base_folder, all_adapters)
    shared = AdapterSet(model)
    views = {} if first_is_adapter else {name: _chat_model(shared, _BASE, model, base_folder)}
    views |= {key: _chat_model(shared, inner[key], model, path) for key, path in all_adapters.items()}
    return views


def check_same_base(base_folder: Path, adapters: Mapping[str, Path]) -> None:
    """Refuse adapters that cannot stand side by side over one copy of a base.

    Raises:
        ModelError: See `load_chat_models`.
    """
    expected = weights_hash(base_folder)
    forms: dict[str, str] = {}
    kinds: dict[str, str] = {}
    for name, path in adapters.items():
        if not is_adapter(path):
            raise ModelError(f"{name} is no adapter", where=str(path), cure="use it by itself")
        if saved_head(path) is not None:
            problem = f"{name} was trained for a task with a head, and answers nothing in words"
            raise ModelError(problem, where=str(path))
        if (found := weights_hash(base_of_adapter(path))) != expected:
            raise ModelError(
                f"the base of adapter {name} has hash {short(found)}…, that of the others {short(expected)}…",
                where=str(path),
                cure="use it by itself",
            )
        config = read_json(path / "adapter_config.json")
        if config.get("trainable_token_indices"):
            problem = f"{name} brings rows of the embedding with it, which the others would read too"
            raise ModelError(problem, where=str(path), cure="use it by itself")
        record = ResultRecord.load(path)
        forms[name] = f"{record.dtype}, {_form(record)}" if record else "unknown"
        kinds[name] = str(config.get("peft_type"))
    if soft := [n for n, kind in kinds.items() if kind in ("PROMPT_TUNING", "P_TUNING", "PREFIX_TUNING")]:
        problem = (
            f"{soft[0]} is a soft prompt, which stands before a text and cannot be switched beside others"
        )
        raise ModelError(problem, cure="use it by itself")
    for facts, what in ((kinds, "kinds"), (forms, "forms of the base")):
        if len(set(facts.values())) > 1:
            told = "; ".join(f"{name}: {fact}" for name, fact in facts.items())
            raise ModelError(f"the adapters have different {what}: {told}", cure="use them apart")


def _form(record: ResultRecord) -> str:
    return f"in 4 bits ({', '.join(map(str, record.four_bit.values()))})" if record.four_bit else "whole"


def load_side_by_side(base_folder: Path, adapters: Mapping[str, Path]) -> tuple[Any, dict[str, str]]:
    """Return the PEFT model, and the adapters' names inside it, where a name may have no dot."""
    (first, path), *others = adapters.items()
    record = ResultRecord.load(path)
    native = "bfloat16" if detect_hardware().has_native_bfloat16 else "float32"
    dtype = getattr(torch, record.dtype if record else native)
    model = put_adapter(load_base_of(path, base_folder, dtype, "unpacked"), path)
    inner = {first: "default"}
    for number, (name, path) in enumerate(others, start=1):
        inner[name] = f"adapter{number}"
        try:
            with without_groundless_warnings():
                report = model.load_adapter(str(path), adapter_name=inner[name], is_trainable=False)
        except (ValueError, KeyError, RuntimeError) as error:
            raise ModelError(
                f"adapter {name} cannot stand beside {first}: {error}", where=str(path)
            ) from error
        # PEFT only warns, and goes on with random numbers.
        if absent := [key for key in report.missing_keys if f".{inner[name]}" in key]:
            raise ModelError(
                f"adapter {name} lacks {len(absent)} of its weights, e.g. {absent[0]}", where=str(path)
            )
    model.set_adapter("default", inference_mode=True)
    return model.eval(), inner


def _chat_model(adapters: AdapterSet, name: str | None, model: Any, folder: Path) -> ChatModel:
    has_text_side = (folder / "tokenizer.json").is_file() or (folder / "tokenizer_config.json").is_file()
    tokenizer, template = load_text_side(folder if has_text_side else base_of_adapter(folder))
    return ChatModel(AdapterView(adapters, name, model), tokenizer, template)
