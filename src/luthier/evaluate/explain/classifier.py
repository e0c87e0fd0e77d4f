"""A classifier that is explained: the probability of a class for texts with words left out, and its gradients."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from luthier.core.errors import DataError, ModelError
from luthier.data.collate import collate_padded
from luthier.data.example import Example
from luthier.data.length_batches import batches_by_length
from luthier.data.text_input import TextInputs
from luthier.data.tokenizer import load_tokenizer
from luthier.evaluate.explain.integrated_gradients import integrated_gradients
from luthier.evaluate.explain.shapley import Game, Values
from luthier.evaluate.explain.units import Units
from luthier.models.heads import TaskHead, saved_head
from luthier.models.load import load_trained
from luthier.objectives.classification.evaluator import probabilities
from luthier.objectives.headed import head_outputs
from luthier.plan.base_facts import positions_of

# Shapes: B texts, T tokens, D width, C classes.

_NO_LABEL = np.zeros(1, dtype=np.int32)


@dataclass(frozen=True)
class ExplainedClassifier:
    """A model with a head over whole texts.

    Args:
        model: In evaluation mode, float32: gradients and small differences are what counts here.
        tokenizer: That it was trained with.
        head: Its labels.
        max_length: Longest input in tokens.
    """

    model: Any
    tokenizer: Any
    head: TaskHead
    max_length: int

    def spread(self, texts: Sequence[str]) -> Values:
        """Return the probabilities of all classes, shape [texts, C]."""
        inputs = TextInputs(self.tokenizer, max_length=self.max_length)
        examples = []
        for number, text in enumerate(texts):
            read = inputs(text)
            ids = read.input_ids
            if not len(ids):  # a decoder's tokenizer finds nothing in an empty text
                ids = np.array([self.tokenizer.eos_token_id or 0], dtype=np.int32)
            types = read.token_type_ids if len(read.input_ids) else None
            examples.append(Example(ids, _NO_LABEL, "", number, target="row", token_type_ids=types))
        found = np.zeros((len(texts), len(self.head.labels)))
        for numbers in batches_by_length([len(example.input_ids) for example in examples]):
            batch = collate_padded([examples[n] for n in numbers], self.tokenizer.pad_token_id)
            with torch.inference_mode():
                logits_BC = head_outputs(self.model, batch).logits
            found[numbers] = probabilities(logits_BC, "multi_label" if self._is_multi else "single_label")
        return found

    @property
    def _is_multi(self) -> bool:
        return self.head.problem_type == "multi_label_classification"

    def game(self, units: Units, label: int) -> Game:
        """Return the probability of a class as a game of the text's units; equal subsets are asked once."""
        known: dict[bytes, float] = {}

        def value(subsets: np.ndarray[Any, Any]) -> Values:
            keys = [subset.tobytes() for subset in subsets]
            new = {key: subset for key, subset in zip(keys, subsets, strict=True) if key not in known}
            if new:
                spread = self.spread([units.keep(subset) for subset in new.values()])
                known.update(zip(new, spread[:, label].tolist(), strict=True))
            return np.array([known[key] for key in keys])

        return value

    def gradients(self, units: Units, label: int, *, num_steps: int) -> tuple[Values, float]:
        """Return integrated gradients of a class's logit by unit, and how far their sum misses the difference.

        The baseline is the text with every token but the special ones replaced by the mask or padding token.

        Raises:
            ModelError: The tokenizer does not tell where tokens stand.
        """
        if not getattr(self.tokenizer, "is_fast", False):
            raise ModelError(
                "the tokenizer does not tell where its tokens stand in the text", cure="--method shap"
            )
        encoded = self.tokenizer(
            units.text, truncation=True, max_length=self.max_length, return_offsets_mapping=True,
            return_special_tokens_mask=True,
        )  # fmt: skip
        ids_T = torch.tensor(encoded["input_ids"])
        filler = self.tokenizer.mask_token_id
        filler = self.tokenizer.pad_token_id if filler is None else filler
        special_T = torch.tensor(encoded["special_tokens_mask"], dtype=torch.bool)
        baseline_T = torch.where(special_T, ids_T, torch.full_like(ids_T, filler))
        embed = self.model.get_input_embeddings()
        with torch.no_grad():
            x_TD, baseline_TD = embed(ids_T).clone(), embed(baseline_T).clone()
        types = encoded.get("token_type_ids")

        def logit(inputs_BTD: torch.Tensor) -> torch.Tensor:
            batch = {"inputs_embeds": inputs_BTD, "attention_mask": torch.ones(inputs_BTD.shape[:2])}
            if types is not None and (getattr(self.model.config, "type_vocab_size", 0) or 0) > 1:
                batch["token_type_ids"] = torch.tensor(types).expand(inputs_BTD.shape[:2])
            values: torch.Tensor = self.model(**batch).logits[:, label]
            return values

        found_T = integrated_gradients(logit, x_TD, baseline_TD, num_steps=num_steps).sum(dim=-1).double()
        with torch.no_grad():
            ends = logit(torch.stack([x_TD, baseline_TD]))
        gap = float(found_T.sum() - (ends[0] - ends[1]))
        return _by_unit(found_T.numpy(), encoded["offset_mapping"], units), gap


def _by_unit(found_T: Values, offsets: Sequence[tuple[int, int]], units: Units) -> Values:
    """Add tokens up to the unit that each begins in, or the next one where it begins with a space."""
    total = np.zeros(len(units))
    ends = np.array([end for _, end in units.spans])
    for value, (start, end) in zip(found_T, offsets, strict=True):
        if end > start:
            total[min(int(np.searchsorted(ends, end - 1, side="right")), len(units) - 1)] += value
    return total


def load_classifier(folder: Path) -> ExplainedClassifier:
    """Load a result whose head gives whole texts classes.

    Raises:
        ModelError: It has no such head.
    """
    head = saved_head(folder)
    if not isinstance(head, TaskHead) or head.task != "SEQ_CLS":
        raise ModelError(
            "has no head that gives whole texts classes, so there is no probability to explain",
            where=str(folder),
            cure="explain a model of `objective: {name: classification}`; of several tasks name the folder of one",
        )
    model, text_folder = load_trained(folder, dtype=torch.float32)
    model.eval()
    tokenizer = load_tokenizer(text_folder)
    config = model.config.get_text_config()
    if config.pad_token_id is None:
        config.pad_token_id = tokenizer.pad_token_id
    longest = min(int(tokenizer.model_max_length), positions_of(config.to_dict()))
    return ExplainedClassifier(model, tokenizer, head, longest)


def label_number(classifier: ExplainedClassifier, label: str) -> int:
    """Return the place of a class among the model's outputs.

    Raises:
        DataError: The model has no such class.
    """
    if label not in classifier.head.labels:
        labels = ", ".join(classifier.head.labels[:20])
        raise DataError(f"{label!r} is no class of the model", where="--label", cure=f"one of: {labels}")
    return classifier.head.labels.index(label)
