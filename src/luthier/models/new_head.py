"""A base gets the head of a task: what is loaded, what starts at random, and from which seed."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from luthier.models.heads import TaskHead, head_of
from luthier.plan.base_facts import read_base_facts


@contextmanager
def transformers_quiet() -> Iterator[None]:
    """Keep transformers from listing a new head's weights as a warning, and from drawing bars."""
    from transformers.utils import logging

    logging.disable_progress_bar()
    verbosity = logging.get_verbosity()
    logging.set_verbosity_error()
    try:
        yield
    finally:
        logging.set_verbosity(verbosity)


@contextmanager
def seeded(seed: int | None) -> Iterator[None]:
    """Draw random numbers from a seed and leave the generator as it was; None draws from it as it is."""
    import torch

    with torch.random.fork_rng(enabled=seed is not None):
        if seed is not None:
            torch.manual_seed(seed)
        yield


def head_options(folder: Path, head: TaskHead, options: Mapping[str, Any]) -> tuple[dict[str, Any], bool]:
    """Return arguments of ``from_pretrained`` for a model with a head, and whether the folder has that very head.

    Args:
        folder: Of the base or the result.
        head: Of the task.
        options: Arguments that the configuration is loaded with.
    """
    from transformers import AutoConfig

    config = AutoConfig.from_pretrained(folder, **options)
    is_there = head.is_in(config)
    given: dict[str, Any] = {"config": head.configure(config)}
    if not is_there:
        given["key_mapping"] = trunk_renamed(folder, config, head)
    return given, is_there


def absent_weights(report: Mapping[str, Any]) -> list[str]:
    """Return the weights that transformers did not find, or found in another shape."""
    mismatched = {key if isinstance(key, str) else str(key[0]) for key in report["mismatched_keys"]}
    return sorted({*report["missing_keys"], *mismatched})


def trunk_renamed(folder: Path, config: Any, head: TaskHead) -> dict[str, str]:
    """Return how the names of a decoder's layers change where the class with the head calls its trunk another name.

    Llama for question answering calls ``transformer`` what Llama otherwise calls ``model``; transformers would find
    none of the weights and start at random.
    """
    made = getattr(head.model_class(), "_model_mapping", {}).get(type(config), None)
    prefix = getattr(made, "base_model_prefix", "model")
    names = read_base_facts(folder).shapes
    is_other = any(name.startswith("model.") for name in names) and prefix not in ("", "model")
    has_own = any(name.startswith(f"{prefix}.") for name in names)
    return {r"^model\.": f"{prefix}."} if is_other and not has_own else {}


def without_new_head(model: Any, absent: list[str], seed: int) -> list[str]:
    """Return the absent weights that are none of the new head's, and take care that all of the head is new."""
    import torch

    part = head_of(model)
    others = [name for name in absent if not part.holds(name)]
    if len(others) == len(absent):  # the folder has a head of the same shape, for other labels
        generator = torch.Generator().manual_seed(seed)
        spread = getattr(model.config, "initializer_range", 0.02)
        for name, layer in model.named_modules():
            if isinstance(layer, torch.nn.Linear) and part.holds(name) and ".pooler." not in f".{name}.":
                torch.nn.init.normal_(layer.weight, std=spread, generator=generator)
                if layer.bias is not None:
                    torch.nn.init.zeros_(layer.bias)
    return others
