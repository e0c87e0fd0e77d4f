"""Group words swapped in held-out rows: what the model makes of a difference that should make none."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from luthier.core.errors import DataError
from luthier.core.wording import count_of
from luthier.data.example import Example, Rejection
from luthier.data.sample import Sample
from luthier.evaluate.examination import Figure, Finding, Subject
from luthier.evaluate.fairness.part import Part
from luthier.evaluate.fairness.swap_words import Swapper
from luthier.evaluate.loss import row_losses
from luthier.evaluate.shares import share_interval
from luthier.evaluate.statistics import Values, compare_sums, ratio_interval
from luthier.objectives.classification.evaluator import ClassificationEvaluator
from luthier.objectives.classification.figures import ratio
from luthier.objectives.contract import Table
from luthier.recipe.evaluate_sections.fairness import FairnessSection

_SHOWN = 12
_SHOWN_CHARACTERS = 160
_TOLERATED = 0.02
"""Share of answers that must be proved to change before the page calls it bad; what passes, gates say."""


@dataclass(frozen=True)
class SwappedRow:
    """A held-out row, and its counterpart with the words of one kind swapped.

    Args:
        kind: Of the words; ``own`` for the recipe's.
        sample: As it was.
        swapped: As it became.
        before: Encoded.
        after: Likewise.
        towards: 1 where words of the first group became the second's, -1 the other way round, 0 for both.
    """

    kind: str
    sample: Sample
    swapped: Sample
    before: Example
    after: Example
    towards: int


def swap_sample(sample: Sample, swapper: Swapper) -> tuple[Sample, int]:
    """Return the row with its words swapped, and which way; 0 words leave it equal."""
    counts = np.zeros(2, dtype=int)

    def swap(text: str) -> str:
        found = swapper(text)
        counts[:] += (found.num_first, found.num_second)
        return found.text

    swapped = replace(
        sample,
        text=None if sample.text is None else swap(sample.text),
        text_pair=None if sample.text_pair is None else swap(sample.text_pair),
        messages=tuple(replace(message, content=swap(message.content)) for message in sample.messages),
    )
    return swapped, int(counts[0] > 0) - int(counts[1] > 0)


def find_swaps(section: FairnessSection, subject: Subject) -> list[SwappedRow]:
    """Return held-out rows with words to swap, drawn by the seed where there are more than ``swap_rows`` of a kind.

    Raises:
        DataError: No row has such words.
    """
    swappers: dict[str, Swapper] = {kind: Swapper(kind) for kind in section.swaps}
    if section.swap_words:
        swappers["own"] = Swapper(None, [(first, second) for first, second in section.swap_words])
    samples = subject.held_out.samples
    order = np.random.default_rng(subject.how.seed).permutation(len(samples))
    found: list[SwappedRow] = []
    for kind, swapper in swappers.items():
        own: list[SwappedRow] = []
        for number in order:
            if len(own) == section.swap_rows:
                break
            sample = samples[int(number)]
            swapped, towards = swap_sample(sample, swapper)
            if swapped == sample:
                continue
            pair = [_encoded(subject, one) for one in (sample, swapped)]
            # A longer word may cost a row its last answer, so that the two could not be compared.
            if pair[0] is not None and pair[1] is not None:
                own.append(SwappedRow(kind, sample, swapped, pair[0], pair[1], towards))
        found += own
    if not found:
        raise DataError(
            f"no held-out row has words of {', '.join(swappers)}, so nothing can be swapped",
            where="evaluate.fairness.swaps",
            cure="name other kinds, or own pairs in swap_words",
        )
    return found


def _encoded(subject: Subject, sample: Sample) -> Example | None:
    made = subject.objective.encoder(sample)
    return None if isinstance(made, Rejection) else made[0]


def examine_swaps(section: FairnessSection, subject: Subject, model: Any) -> Part:
    """Swap words and compare what the model says.

    Raises:
        DataError: No row has such words, or the model is neither a classifier nor a language model.
    """
    evaluator = subject.objective.evaluator
    if isinstance(evaluator, ClassificationEvaluator):
        return _of_classifier(find_swaps(section, subject), subject, model, evaluator)
    if evaluator is not None:
        raise DataError(
            "words are swapped for classifiers and language models only",
            where="evaluate.fairness.swaps",
            cure="leave swaps and swap_words out",
        )
    return _of_language_model(find_swaps(section, subject), subject, model)


def _of_classifier(
    rows: Sequence[SwappedRow], subject: Subject, model: Any, evaluator: ClassificationEvaluator
) -> Part:
    before, after = (
        evaluator.predict(
            model,
            [getattr(row, side) for row in rows],
            [row.sample for row in rows],
            dtype=subject.dtype,
            on_progress=lambda done: subject.tell(done, len(rows)),
        )
        for side in ("before", "after")
    )
    flipped_N = (before.said_NC != after.said_NC).any(axis=1)
    moved_NC = after.probabilities_NC - before.probabilities_NC
    moved_N = np.abs(moved_NC).max(axis=1)
    # A row with words of two kinds is swapped twice.
    places = [row.sample.place for row in rows]
    confidence = subject.how.confidence
    flips = share_interval(flipped_N, confidence, places)
    moved = ratio_interval(moved_N, np.ones(len(rows)), subject.how)
    part = Part(
        figures=[
            Figure(
                "fairness.swaps.flip_rate", "Answers that change with a group's words", flips, True, len(rows)
            ),
            Figure("fairness.swaps.change", "Change of the most moved probability", moved, True, len(rows)),
        ]
    )
    names = (
        [", ".join(evaluator.labels[n] for n in np.flatnonzero(said)) or "none" for said in before.said_NC],
        [", ".join(evaluator.labels[n] for n in np.flatnonzero(said)) or "none" for said in after.said_NC],
    )
    lines = []
    for kind in dict.fromkeys(row.kind for row in rows):
        of_kind = np.array([row.kind == kind for row in rows])
        own = share_interval(flipped_N[of_kind], confidence)
        towards = np.array([row.towards for row in rows])[of_kind]
        signed_NC = moved_NC[of_kind][towards != 0] * towards[towards != 0, None]
        most = int(np.abs(signed_NC.mean(axis=0)).argmax()) if len(signed_NC) else 0
        drift = f"{signed_NC[:, most].mean():+.3f} of {evaluator.labels[most]}" if len(signed_NC) else "–"
        lines.append(
            [kind, int(of_kind.sum()), f"{own.value:.1%} ({own.low:.1%} to {own.high:.1%})",
             f"{moved_N[of_kind].mean():.3f}", drift]
        )  # fmt: skip
    part.tables += [
        Table(
            "Words swapped",
            ("Kind", "Rows", "Answers that change", "Change of probability", "First group to second"),
            lines,
            "The last column: mean change of a class's probability where words of the first group of each pair "
            "(he, 他, 河南 …) become the second's.",
        ),
        _examples(rows, moved_N, names),
    ]
    text = (
        f"{count_of(int(flipped_N.sum()), 'answer')} of {len(rows)} change when words of a group are swapped: "
        f"{flips.value:.1%}, at most {flips.high:.1%}."
    )
    evidence = f"mean change of the most moved probability {moved.value:.3f}"
    part.findings.append(_finding(text, evidence, flips.low > _TOLERATED))
    return part


def _examples(rows: Sequence[SwappedRow], moved_N: Values, names: tuple[list[str], list[str]]) -> Table:
    lines = []
    for number in np.argsort(-moved_N, kind="stable")[:_SHOWN]:
        row = rows[int(number)]
        lines.append(
            [row.sample.place, _short(row.sample), names[0][number], _short(row.swapped), names[1][number],
             f"{moved_N[number]:.2f}"]
        )  # fmt: skip
    columns = ("Row", "Text", "Said", "Swapped", "Said", "Change")
    return Table("Swaps that change most", columns, lines)


def _of_language_model(rows: Sequence[SwappedRow], subject: Subject, model: Any) -> Part:
    moved_N, signed_N = _loss_changes(rows, subject, model)
    ones = np.ones(len(rows))
    value = ratio_interval(moved_N, ones, subject.how)
    base = improvement = None
    if subject.load_base is not None:
        base_N, _ = _loss_changes(rows, subject, subject.load_base())
        found = compare_sums(
            np.stack([base_N, ones], axis=1), np.stack([moved_N, ones], axis=1), ratio, subject.how,
            lower_is_better=True,
        )  # fmt: skip
        base, improvement = found.base, found.improvement
    figure = Figure(
        "fairness.swaps.change",
        "Change of the loss (nats per token) when words of a group are swapped",
        value,
        lower_is_better=True,
        num_rows=len(rows),
        base=base,
        improvement=improvement,
    )
    lines = []
    for kind in dict.fromkeys(row.kind for row in rows):
        of_kind = np.array([row.kind == kind for row in rows])
        lines.append(
            [kind, int(of_kind.sum()), f"{moved_N[of_kind].mean():.3f}", f"{signed_N[of_kind].mean():+.3f}"]
        )
    columns = ("Kind", "Rows", "Change of loss", "Loss after less before")
    note = "Swapped texts are a little less natural than those that people wrote: part of the change is that."
    text = f"The loss of an answer changes by {value.value:.3f} nats per token when words of a group are swapped."
    evidence = f"{len(rows)} rows" + ("" if base is None else f"; the base's by {base.value:.3f}")
    grew = improvement is not None and improvement.high < 0
    return Part(
        [figure], [_finding(text, evidence, grew)], tables=[Table("Words swapped", columns, lines, note)]
    )


def _loss_changes(rows: Sequence[SwappedRow], subject: Subject, model: Any) -> tuple[Values, Values]:
    """Return how far the loss per token changes in each row, without sign and with it."""
    both = []
    for side in ("before", "after"):
        losses = row_losses(
            model,
            subject.objective,
            [getattr(row, side) for row in rows],
            dtype=subject.dtype,
            on_progress=lambda done: subject.tell(done, len(rows)),
        )
        both.append(losses.sums / losses.counts)
    signed_N = both[1] - both[0]
    return np.abs(signed_N), signed_N


def _finding(text: str, evidence: str, is_bad: bool) -> Finding:
    cure = "add swapped copies of such rows to the training rows; see docs/fairness.md" if is_bad else ""
    return Finding(text, evidence, cure=cure, is_bad=is_bad)


def _short(sample: Sample) -> str:
    text = sample.text or " | ".join(message.content for message in sample.messages)
    return text if len(text) <= _SHOWN_CHARACTERS else f"{text[: _SHOWN_CHARACTERS - 1]}…"
