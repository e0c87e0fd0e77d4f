"""Export: a result as a folder for other programs, checked against the model that it came from before it is there."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch

from luthier.core.errors import ModelError
from luthier.core.files import atomic_folder, read_json
from luthier.data.tokenizer import load_tokenizer
from luthier.evaluate.model_card import CARD_FILE
from luthier.evaluate.parity import MERGE_TOLERANCE, largest_difference, logits_of, share_of_same_tokens
from luthier.methods.full import save_whole_model
from luthier.methods.peft_adapter import merged as merged_model
from luthier.models.load import ResultRecord, is_adapter, load_trained
from luthier.plan.compatibility import merge_refusal

_TEXTS = (
    "The quick brown fox jumps over the lazy dog, and the story goes on from there.",
    "Question: what is the capital of France?\nAnswer: Paris.",
    "今天天气很好，我们去公园散步吧。",
    "def add(a: int, b: int) -> int:\n    return a + b\n",
)
"""What the check reads: prose, a question, another script, code."""

_NOT_COPIED = ("artifact.json", "training_history.json", "adapter_model.safetensors", "adapter_config.json",
               "config.json", "luthier.json", "combination.json", "model.safetensors.index.json")  # fmt: skip


@dataclass(frozen=True)
class Exported:
    """What was written, and how near it is to the result it came from.

    Args:
        folder: Where it is.
        form: ``adapter``, ``merged``, or ``whole`` for a result that never was an adapter.
        dtype: Type of the weights.
        logit_difference: Largest difference of a logit from the result's own, in float32: of the merged weights
            before they were rounded to ``dtype``.
        rounded_logit_difference: The same of the weights as written.
        same_next_token: Share of the positions at which the most probable next token is the same.
        four_bit_logit_difference: Of an adapter trained over a base in 4 bits: how far the base as it was moves the
            logits from those over 4 bits.
        four_bit_same_next_token: Likewise, share of the positions with the same most probable token.
    """

    folder: str
    form: str
    dtype: str
    logit_difference: float
    rounded_logit_difference: float
    same_next_token: float
    four_bit_logit_difference: float | None = None
    four_bit_same_next_token: float | None = None


def export_adapter(folder: Path, target: Path) -> Exported:
    """Copy an adapter with all that is needed beside it, and check that it loads to the same logits.

    Raises:
        ModelError: It is no adapter, ``target`` exists, or the logits differ.
    """
    _refuse_existing(target)
    if not is_adapter(folder):
        raise ModelError(
            "is a whole model, there is no adapter", where=str(folder), cure="export it with --merged"
        )
    inputs = _inputs(folder)
    expected = _logits(folder, inputs)
    with atomic_folder(target) as partial:
        for name in ("adapter_model.safetensors", "adapter_config.json", "luthier.json", "config.json"):
            if (folder / name).is_file():
                shutil.copyfile(folder / name, partial / name)
        _copy_text_side(folder, partial)
        found = _logits(partial, inputs)
        difference = largest_difference(expected, found)
        if difference != 0.0:
            raise ModelError(f"the copy changes a logit by {difference:.2g}", where=str(folder))
    return Exported(str(target), "adapter", "float32", 0.0, 0.0, 1.0)


def export_merged(folder: Path, target: Path, dtype_name: str | None = None) -> Exported:
    """Write a result as a whole model, in Hugging Face layout; adapters are merged in float32 first.

    Args:
        folder: The result.
        target: A folder that does not exist yet.
        dtype_name: Type of the written weights; by default that of the training.

    Raises:
        ModelError: The method cannot be merged, ``target`` exists, or what is written computes something else.
    """
    _refuse_existing(target)
    record = ResultRecord.load(folder)
    if record and is_adapter(folder) and (refusal := merge_refusal(record.method)):
        problem = f"{record.method} cannot be merged: {refusal.reason}"
        raise ModelError(problem, where=str(folder), cure=refusal.cure)
    name = dtype_name or (record.dtype if record else "float32")
    inputs = _inputs(folder)
    packed = _logits(folder, inputs) if record and record.four_bit else None
    model, _ = load_trained(folder, dtype=torch.float32, base_form="original")
    before = logits_of(model, inputs)
    if is_adapter(folder):
        model = merged_model(model).eval()
    merged = logits_of(model, inputs)
    difference = largest_difference(before, merged)
    if not difference <= MERGE_TOLERANCE:
        raise ModelError(f"merging the adapter changes a logit by {difference:.2g}", where=str(folder))
    with atomic_folder(target) as partial:
        save_whole_model(model, partial, getattr(torch, name))
        _copy_text_side(folder, partial)
        if is_adapter(folder) and (card := partial / CARD_FILE).is_file():
            text = card.read_text(encoding="utf-8")
            card.write_text(text.replace("library_name: peft", "library_name: transformers", 1), "utf-8")
        if record:
            replace(record, dtype=name, four_bit=None).save(partial)
        _check_weights(model, partial, getattr(torch, name))
        del model
        found = _logits(partial, inputs)
    return Exported(
        str(target),
        "merged" if is_adapter(folder) else "whole",
        name,
        difference,
        largest_difference(before, found),
        share_of_same_tokens(before, found),
        None if packed is None else largest_difference(packed, before),
        None if packed is None else share_of_same_tokens(packed, before),
    )


def _refuse_existing(target: Path) -> None:
    if target.exists():
        raise ModelError("exists already", where=str(target), cure="name a folder that does not: -o DIR")


def _inputs(folder: Path) -> list[torch.Tensor]:
    """Return the rows of the check in the model's own tokens."""
    has_own = (folder / "tokenizer.json").is_file() or (folder / "tokenizer_config.json").is_file()
    if not has_own:
        from luthier.models.load import base_of_adapter

        folder = base_of_adapter(folder)
    tokenizer = load_tokenizer(folder)
    rows = [tokenizer(text)["input_ids"] for text in _TEXTS]
    return [torch.tensor([row]) for row in rows if row]


def _logits(folder: Path, inputs: Sequence[torch.Tensor]) -> list[torch.Tensor]:
    model: Any = load_trained(folder, dtype=torch.float32)[0]
    return logits_of(model, inputs)


def _copy_text_side(folder: Path, target: Path) -> None:
    """Copy tokenizer, chat template, generation settings: all that is neither weights nor a record of the run."""
    for path in sorted(folder.iterdir()):
        if path.is_file() and path.suffix != ".safetensors" and path.name not in _NOT_COPIED:
            shutil.copyfile(path, target / path.name)
    if not is_adapter(target) and "architectures" not in read_json(target / "config.json"):
        raise AssertionError("a whole model was written without its architecture")


def _check_weights(model: Any, folder: Path, dtype: torch.dtype) -> None:
    """Compare what is read back with what was meant to be written, bit by bit."""
    from luthier.models.heads import saved_head
    from luthier.models.load import load_model

    written = load_model(folder, dtype=dtype, head=saved_head(folder)).state_dict()
    for name, tensor in model.state_dict().items():
        if name not in written or not torch.equal(written[name], tensor.to(dtype)):
            raise ModelError(f"{name} is not read back as it was written", where=str(folder))
