"""From a text with its classes to an example whose label belongs to the whole row."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from luthier.core.errors import DataError
from luthier.data.classification.classes import Classes, ClassWeights, Problem, find_classes
from luthier.data.classification.groups import TrainingGroups
from luthier.data.encode import KINDS, TooLong, reject
from luthier.data.example import Example, Rejection
from luthier.data.sample import Sample
from luthier.data.text_input import TextInputs


class ClassificationEncoder:
    """Encodes texts, or pairs of texts, with their classes.

    Args:
        tokenizer: Of the base.
        problem: Whether a row has exactly one class.
        labels: The classes; None takes those of the training rows.
        class_weights: Factors of the classes in the training loss.
        max_length: Longest input in tokens.
        too_long: What happens to longer ones; see the recipe's ``data.too_long``.
        groups: What groups of rows are; a row's number of its group then stands beside its class, -1 for none.
            Single labels only.
    """

    def __init__(
        self,
        tokenizer: Any,
        problem: Problem,
        *,
        labels: tuple[str, ...] | None,
        class_weights: ClassWeights,
        max_length: int,
        too_long: TooLong,
        groups: TrainingGroups | None = None,
    ) -> None:
        self._inputs = TextInputs(tokenizer, max_length=max_length)
        self._problem = problem
        self._labels = labels
        self._class_weights = class_weights
        self._max_length = max_length
        self._too_long = too_long
        self._numbers: dict[str, int] = {}
        self.groups = groups
        self.classes: Classes | None = None

    def learn(self, samples: Iterable[Sample]) -> dict[str, Any]:
        """Find the classes of the training rows; see `find_classes`."""
        seen = self.groups.counting(samples) if self.groups else samples
        classes = find_classes(seen, self._problem, labels=self._labels, class_weights=self._class_weights)
        found = classes.as_json()
        if self.groups:
            self.groups.check(classes.labels)
            self.groups.weigh(dict(zip(classes.labels, classes.weights, strict=True)))
            found |= self.groups.as_json()
        self.recall(found)
        return found

    def recall(self, facts: Mapping[str, Any]) -> None:
        """Take up the classes that a data set was frozen with."""
        self.classes = Classes.of_json(facts)
        self._numbers = {name: number for number, name in enumerate(self.classes.labels)}
        if self.groups:
            self.groups.recall(facts)

    def __call__(self, sample: Sample) -> list[Example] | Rejection:
        """Encode one row.

        Raises:
            DataError: The row is too long and the recipe says ``too_long: error``.
        """
        if sample.text is None or sample.labels is None:
            unlabelled = sample.text is not None
            detail = f"objective classification needs a text with its label, this row is {KINDS[sample.kind]}"
            return reject(sample, "no_label" if unlabelled else "not_classification", detail)
        if self._problem == "single_label" and len(sample.labels) != 1:
            what = "no label" if not sample.labels else f"{len(sample.labels)} labels"
            detail = f"the row has {what}; problem: multi_label takes any number"
            return reject(sample, "several_labels" if sample.labels else "no_label", detail)
        if unknown := [name for name in sample.labels if name not in self._numbers]:
            return reject(sample, "unknown_label", f"{unknown[0]!r} is no class of the training rows")
        read = self._inputs(sample.text, sample.text_pair)
        if read.num_truncated and self._too_long != "truncate":
            length = len(read.input_ids) + read.num_truncated
            if self._too_long == "drop":
                return reject(sample, "too_long", f"{length} tokens, at most {self._max_length}")
            raise DataError(
                f"the row has {length} tokens, data.max_length is {self._max_length}",
                where=sample.place,
                cure="raise data.max_length, or set data.too_long: truncate or drop",
            )
        if not len(read.input_ids):
            return reject(sample, "no_tokens", "the tokenizer finds no token in the text")
        labels, class_weight = self._target(sample)
        return [
            Example(
                read.input_ids,
                labels,
                sample.source,
                sample.row,
                num_truncated=read.num_truncated,
                num_escaped=read.num_escaped,
                weight=sample.weight * class_weight,
                target="row",
                token_type_ids=read.token_type_ids,
                task=sample.task,
            )
        ]

    def _target(self, sample: Sample) -> tuple[np.ndarray[Any, Any], float]:
        """Return the class, or 0 and 1 by class; and the factor that the class gives the row."""
        assert self.classes is not None and sample.labels is not None, "the classes are learnt first"
        numbers = [self._numbers[name] for name in sample.labels]
        if self._problem == "single_label":
            if self.groups:
                numbers.append(self.groups.number_of(sample))
            return np.asarray(numbers, dtype=np.int32), self.classes.weights[numbers[0]]
        hot = np.zeros(len(self._numbers), dtype=np.int32)
        hot[numbers] = 1
        return hot, 1.0
