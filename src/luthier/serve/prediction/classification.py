"""Classes of texts, with their probabilities."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import torch

from luthier.data.classification.classes import Problem
from luthier.data.collate import collate_padded
from luthier.data.example import Example
from luthier.data.length_batches import batches_by_length
from luthier.data.text_input import TextInputs
from luthier.kernels.accelerate import accelerate
from luthier.objectives.classification.evaluator import decide, probabilities
from luthier.objectives.headed import head_outputs
from luthier.serve.prediction.contract import LoadedHead

_SHOWN_CLASSES = 3
_NO_LABEL = np.zeros(1, dtype=np.int32)


class ClassificationPredictor:
    """Classifies texts, or pairs of texts.

    Args:
        loaded: The model.
        threshold: For several labels: probability from which a class is said.
    """

    fields: tuple[str, ...] = ("text",)
    takes_tokens = False

    def __init__(self, loaded: LoadedHead, *, threshold: float = 0.5) -> None:
        self._loaded = loaded
        self._threshold = threshold
        several = loaded.head.problem_type == "multi_label_classification"
        self._problem: Problem = "multi_label" if several else "single_label"
        self._inputs = TextInputs(loaded.tokenizer, max_length=loaded.max_length)
        accelerate(loaded.model, compute_dtype=loaded.dtype, fused_loss=False)

    def __call__(
        self, rows: Sequence[Mapping[str, str]], on_progress: Callable[[int], None] = lambda done: None
    ) -> list[dict[str, Any]]:
        """Return label, probability and all probabilities of each row, in their order."""
        inputs = [self._inputs(row["text"], row.get("text_pair") or None) for row in rows]
        examples = [
            Example(i.input_ids, _NO_LABEL, "", n, target="row", token_type_ids=i.token_type_ids)
            for n, i in enumerate(inputs)
        ]
        found: dict[int, dict[str, Any]] = {}
        lengths = [len(example.input_ids) for example in examples]
        for numbers in batches_by_length(lengths) if rows else ():
            batch = collate_padded([examples[n] for n in numbers], self._loaded.tokenizer.pad_token_id)
            dtype = self._loaded.dtype
            with torch.inference_mode(), torch.autocast("cpu", dtype, enabled=dtype != torch.float32):
                spread_BC = probabilities(head_outputs(self._loaded.model, batch).logits, self._problem)
            said_BC = decide(spread_BC, self._problem, self._threshold)
            for number, spread, said in zip(numbers, spread_BC, said_BC, strict=True):
                found[number] = self._facts(spread, said, inputs[number].num_truncated)
            on_progress(len(found))
        return [found[number] for number in range(len(rows))]

    def _facts(self, spread_C: Any, said_C: Any, num_truncated: int) -> dict[str, Any]:
        labels = self._loaded.head.labels
        order = np.argsort(-spread_C, kind="stable")
        said = [labels[number] for number in order if said_C[number]]
        facts: dict[str, Any] = {"labels": said} if self._problem == "multi_label" else {"label": said[0]}
        if self._problem == "single_label":
            facts["probability"] = round(float(spread_C.max()), 6)
        facts["probabilities"] = {labels[number]: round(float(spread_C[number]), 6) for number in order}
        if num_truncated:
            facts["truncated_tokens"] = num_truncated
        return facts

    def columns(self) -> tuple[str, ...]:
        """Return the header of the table for people."""
        return (
            ("label", "probability", "next")
            if self._problem == "single_label"
            else ("labels", "most probable")
        )

    def line(self, prediction: Mapping[str, Any]) -> tuple[str, ...]:
        """Return a prediction as a line of that table."""
        ranked = [f"{name} {p:.2f}" for name, p in prediction["probabilities"].items()]
        if self._problem == "multi_label":
            return ", ".join(prediction["labels"]) or "none", ", ".join(ranked[:_SHOWN_CLASSES])
        first = f"{prediction['probability']:.2f}"
        return prediction["label"], first, ", ".join(ranked[1:_SHOWN_CLASSES])
