"""New tokens under any method: the embeddings grow before it is applied, and their new rows train with it."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from luthier.data.vocabulary.stage import Vocabulary
from luthier.methods.contract import Method, Progress
from luthier.models.vocabulary import extend_embeddings
from luthier.plan.vocabulary import trains_rows_beside
from luthier.recipe.vocabulary_section import EmbeddingInit


class NewTokens(Method):
    """A method over a base whose vocabulary grows.

    Adapters that carry rows of the embedding get the new ones through PEFT's trainable tokens: they are saved as
    they are, so that they do not depend on how the rows were first filled. Methods that train the embedding itself
    train the new rows with it.

    Args:
        method: Which other parameters train.
        name: Its name in the recipe.
        vocabulary: From the vocabulary stage.
        init: What the new rows begin with.
    """

    def __init__(self, method: Method, name: str, vocabulary: Vocabulary, init: EmbeddingInit) -> None:
        self._method = method
        self._has_rows = trains_rows_beside(name)
        self._vocabulary = vocabulary
        self._init = init

    def apply(self, model: Any) -> Any:
        """Return the grown model with the method's parameters and the new rows trainable."""
        sources = self._vocabulary.sources()
        extend_embeddings(
            model,
            sources,
            self._vocabulary.num_rows,
            init=self._init,
            special_ids=self._vocabulary.special_ids if self._vocabulary.is_new else None,
        )
        adapted = self._method.apply(model)
        if self._has_rows:
            train_rows(adapted, sorted(sources))
        return adapted

    def save(self, model: Any, folder: Path, dtype: torch.dtype) -> None:
        """Write what the method writes; an adapter's new rows are in it."""
        self._method.save(model, folder, dtype)

    def merge(self, model: Any) -> Any:
        """Return a plain model with adapters and rows in its weights."""
        return self._method.merge(model)

    def check_schedule(self, progress: Progress) -> None:
        """Ask the method."""
        self._method.check_schedule(progress)

    def before_step(self, model: Any, progress: Progress) -> None:
        """Do what the method does."""
        self._method.before_step(model, progress)

    def penalty(self, model: Any) -> torch.Tensor | None:
        """Return the method's term."""
        return self._method.penalty(model)

    def after_step(self, model: Any, progress: Progress) -> None:
        """Do what the method does."""
        self._method.after_step(model, progress)

    def state(self, model: Any) -> dict[str, torch.Tensor]:
        """Return what the method keeps."""
        return self._method.state(model)

    def restore(self, model: Any, tensors: Mapping[str, torch.Tensor]) -> None:
        """Put back what the method keeps."""
        self._method.restore(model, tensors)


def train_rows(model: Any, rows: list[int]) -> None:
    """Make rows of the embedding, and of a head with weights of its own, trainable in a PEFT model, in float32.

    Args:
        model: A ``peft.PeftModel`` with one adapter of the LoRA family.
        rows: Ids of tokens.
    """
    from peft.utils.other import set_additional_trainable_modules

    name = model.active_adapter
    config = model.peft_config[name]
    base = model.get_base_model()
    names = {id(module): path.rsplit(".", 1)[-1] for path, module in base.named_modules()}
    embedding, head = base.get_input_embeddings(), base.get_output_embeddings()
    layers = [embedding]
    if head is not None and head.weight is not embedding.weight:
        layers.append(head)
    config.trainable_token_indices = {names[id(layer)]: rows for layer in layers}
    rows_only = copy.copy(config)
    rows_only.modules_to_save = None  # a task's head is wrapped already
    set_additional_trainable_modules(base, rows_only, base.config.get_text_config().to_dict(), name)
    for path, parameter in model.named_parameters():
        if "trainable_tokens_delta" in path:
            parameter.data = parameter.data.float()
            parameter.requires_grad_(True)
