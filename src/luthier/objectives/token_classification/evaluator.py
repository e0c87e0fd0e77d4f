"""Judging a tagger: entities that are found whole, type by type, and each word's most frequent tag as the baseline.

References: the baseline that gives each word its most frequent tag is E. Charniak et al., Equations for
Part-of-Speech Tagging, 1993; entities count as conlleval and seqeval count them: type and both ends must be right.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from luthier.data.example import IGNORED, Example
from luthier.data.sample import Sample
from luthier.data.tagging.schemes import Entity, Scheme, entities_of
from luthier.data.tagging.tag_set import TagSet
from luthier.data.tagging.words import token_of_words
from luthier.objectives.classification.figures import class_scores, macro_f1, pooled_f1, ratio
from luthier.objectives.contract import Intervals, Measure, Table, Values
from luthier.objectives.headed import run_rows

if TYPE_CHECKING:
    from luthier.objectives.token_classification.objective import TokenClassification

# Shapes: N samples, M types of entities, C tags.

BASELINE = (
    "The baseline gives each word its most frequent tag in training; its loss is that of the tags' shares."
)
_LISTED = 20
_SHOWN_CHARACTERS = 200


@dataclass(frozen=True)
class Tagged:
    """What a tagger says about samples.

    Args:
        tags: Of each word of each sample.
        losses_N2: Summed loss of each sample, and its labelled tokens.
    """

    tags: list[list[str]]
    losses_N2: Values


class TagEvaluator:
    """Measures a tagger.

    Args:
        objective: Collates and computes losses.
        tags: Of the training rows.
    """

    def __init__(self, objective: TokenClassification, tags: TagSet) -> None:
        self._objective = objective
        self._encoder = objective.encoder
        self._tags = tags

    def predict(
        self,
        model: Any,
        rows: Sequence[Example],
        samples: Sequence[Sample],
        *,
        dtype: torch.dtype,
        on_progress: Callable[[int], None] = lambda done: None,
    ) -> Tagged:
        """Return the most probable tag of each word, and the loss of each sample."""
        classes: list[np.ndarray[Any, Any]] = [np.empty(0)] * len(rows)
        losses_R2 = np.zeros((len(rows), 2))
        for numbers, batch, outputs in run_rows(
            model, self._objective, rows, dtype=dtype, on_progress=on_progress
        ):
            said_BT = outputs.logits.argmax(dim=-1).cpu().numpy()
            logged_BTC = outputs.logits.float().log_softmax(dim=-1).cpu()
            for place, number in enumerate(numbers):
                classes[number] = said_BT[place]
                labels_T = batch.labels[place].cpu()
                is_labelled = labels_T != IGNORED
                picked = logged_BTC[place][is_labelled].gather(1, labels_T[is_labelled][:, None])
                losses_R2[number] = -float(picked.double().sum()), int(is_labelled.sum())
        tags, losses_N2, first = [], np.zeros((len(samples), 2)), 0
        for number, sample in enumerate(samples):
            windows, _ = self._encoder.words.windows(sample.tokens)
            own = range(first, first + len(windows))
            read = [token_of_words(window, self._encoder.label_on) for window in windows]
            tags.append(
                [
                    self._tags.labels[classes[row][token]]
                    for row, tokens in zip(own, read, strict=True)
                    for token in tokens
                ]
            )
            losses_N2[number] = losses_R2[own.start : own.stop].sum(axis=0)
            first = own.stop
        assert first == len(rows), "the rows are those of the samples"
        return Tagged(tags, losses_N2)

    def baseline(self, rows: Sequence[Example], samples: Sequence[Sample]) -> Tagged:
        """Return the most frequent tag of each word in training; that of all words for one that never stood there."""
        lexicon, default = self._tags.lexicon, self._tags.default
        # A tag that only the scheme demands has no share; a row with it must not have infinite loss.
        shares_C = (np.asarray(self._tags.counts) + 1.0) / (sum(self._tags.counts) + len(self._tags.counts))
        losses_N2, first = np.zeros((len(samples), 2)), 0
        for number, sample in enumerate(samples):
            num_windows = len(self._encoder.words.windows(sample.tokens)[0])
            for row in rows[first : first + num_windows]:
                labels = row.labels[row.labels != IGNORED]
                losses_N2[number] += -np.log(shares_C[labels]).sum(), len(labels)
            first += num_windows
        return Tagged(
            [[lexicon.get(word, default) for word in sample.tokens] for sample in samples], losses_N2
        )

    def measures(
        self, predictions: Tagged, rows: Sequence[Example], samples: Sequence[Sample]
    ) -> list[Measure]:
        """Return loss, entity F1, precision, recall, the mean over types, and the share of words that are right."""
        by_type = self._figures(predictions, samples)
        pooled = np.stack([part.sum(axis=1) for part in np.split(by_type, 3, axis=1)], axis=1)
        right = np.array(
            [
                [sum(t == s for t, s in zip(true, said, strict=True)), len(true)]
                for true, said in self._pairs(predictions, samples)
            ],
            dtype=np.float64,
        )
        what = "entities" if self._tags.scheme != "none" else "tags"
        return [
            Measure("eval_loss", "Loss (nats)", predictions.losses_N2, ratio, lower_is_better=True),
            Measure("f1", f"F1 of {what}", pooled, pooled_f1),
            Measure("precision", f"Precision of {what}", pooled[:, [0, 2]], _share),
            Measure("recall", f"Recall of {what}", pooled[:, [0, 1]], _share),
            Measure("f1_macro", "F1, mean over types", by_type, macro_f1),
            Measure("accuracy", "Words with the right tag", right, ratio),
        ]

    def details(
        self, predictions: Tagged, rows: Sequence[Example], samples: Sequence[Sample], intervals: Intervals
    ) -> tuple[list[Table], dict[str, Any]]:
        """Return each type's scores, and the rows with most errors."""
        by_type = self._figures(predictions, samples)
        types, names = self._tags.types, ("precision", "recall", "f1")
        ends = [np.split(end, 3) for end in intervals(by_type, class_scores)]
        sums_M3 = by_type.sum(axis=0).reshape(3, len(types)).T
        facts, lines = [], []
        for number, kind in enumerate(types):
            scores = {
                name: tuple(float(end[place][number]) for end in ends) for place, name in enumerate(names)
            }
            found, true, said = (int(value) for value in sums_M3[number])
            facts.append({"type": kind, "entities": true, "said": said, "found": found, **scores})
            lines.append([kind, *(_with_interval(*scores[name]) for name in names), true, said])
        columns = ("Type", "Precision", "Recall", "F1", "Held-out entities", "Said to be")
        note = "An entity is found where its type and both its ends are right. –: there is none."
        tables = [Table("Each type", columns, lines, note), self._errors(predictions, samples)]
        return tables, {
            "baseline": BASELINE,
            "item": "word" if self._encoder.label_on != "all" else "token",
            "labels": list(self._tags.labels),
            "scheme": self._tags.scheme,
            "types": facts,
        }

    def _pairs(self, predictions: Tagged, samples: Sequence[Sample]) -> Iterator[tuple[list[str], list[str]]]:
        for sample, said in zip(samples, predictions.tags, strict=True):
            yield self._encoder.trained_tags(sample), said

    def _figures(self, predictions: Tagged, samples: Sequence[Sample]) -> Values:
        """Return entities that are found, true and said, by type, for each sample, float64, shape [N, 3M]."""
        return entity_figures(list(self._pairs(predictions, samples)), self._tags.types, self._tags.scheme)

    def _errors(self, predictions: Tagged, samples: Sequence[Sample]) -> Table:
        wrong: list[tuple[int, Sample, set[Entity], set[Entity]]] = []
        for sample, (true, said) in zip(samples, self._pairs(predictions, samples), strict=True):
            of_true, of_said = (set(entities_of(tags, self._tags.scheme)) for tags in (true, said))
            if of_true != of_said:
                wrong.append((len(of_true ^ of_said), sample, of_true, of_said))
        wrong.sort(key=lambda entry: -entry[0])
        lines = []
        for _, sample, of_true, of_said in wrong[:_LISTED]:
            words = " ".join(sample.tokens)[:_SHOWN_CHARACTERS]
            missed, invented = of_true - of_said, of_said - of_true
            lines.append([sample.place, words, _listed(sample, missed), _listed(sample, invented)])
        return Table("Rows with most errors", ("Row", "Words", "Missed", "Said without being true"), lines)


def entity_figures(
    pairs: Sequence[tuple[Sequence[str], Sequence[str]]], types: Sequence[str], scheme: Scheme
) -> Values:
    """Return entities that are found, true and said, by type, for each row, float64, shape [N, 3M].

    Args:
        pairs: True and said tags of each row.
        types: Of entities, in the order of the columns.
        scheme: That the tags follow.
    """
    numbers = {kind: number for number, kind in enumerate(types)}
    figures = np.zeros((len(pairs), 3, len(types)))
    for row, (true, said) in enumerate(pairs):
        of_true, of_said = (set(entities_of(tags, scheme)) for tags in (true, said))
        for place, entities in enumerate((of_true & of_said, of_true, of_said)):
            for entity in entities:
                figures[row, place, numbers[entity.type]] += 1
    return figures.reshape(len(pairs), -1)


def _share(sums: Values) -> Values:
    """Return first over second of sums [..., 2]; 0 where the second is, as seqeval does."""
    return np.asarray(np.divide(sums[..., 0], np.maximum(sums[..., 1], 1e-12)))


def _listed(sample: Sample, entities: set[Entity]) -> str:
    named = (
        f"{' '.join(sample.tokens[e.start : e.end])} ({e.type})"
        for e in sorted(entities, key=lambda e: e.start)
    )
    return ", ".join(named)[:_SHOWN_CHARACTERS] or "–"


def _with_interval(value: float, low: float, high: float) -> str:
    return "–" if np.isnan(value) else f"{value:.2f} ({low:.2f} to {high:.2f})"
