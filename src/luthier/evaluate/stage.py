"""The evaluate stage: base and result on the same held-out rows, judged, proved and told."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch

from luthier.core.errors import DataError
from luthier.core.events import EventLog
from luthier.data.template import ChatTemplate, LossOn
from luthier.evaluate.answers import Question, asked_by, choose_questions
from luthier.evaluate.asked import Asked, Partner
from luthier.evaluate.by_task import answers_by_task, losses_by_task
from luthier.evaluate.byte_perplexity import supervised_bytes
from luthier.evaluate.clusters import clusters_of
from luthier.evaluate.examination import HeldOut
from luthier.evaluate.judged import ChampionResult
from luthier.evaluate.loss import RowLosses, row_losses
from luthier.evaluate.metrics import (
    Comparison,
    alone,
    compare_answers,
    compare_byte_perplexity,
    compare_losses,
)
from luthier.evaluate.parity import prove_merge, prove_prompts, prove_reload, proves_merge
from luthier.evaluate.report import Report, conclude
from luthier.evaluate.same_text import BaseSide, same_text
from luthier.methods.contract import Method
from luthier.models.chat_model import ChatModel
from luthier.models.generate import Sampling
from luthier.objectives.balance import MixedObjective
from luthier.recipe.evaluate_sections.evaluate import EvaluateSection

_PROVED_ROWS = 200
_MERGED_ROWS = 4


@dataclass(frozen=True)
class _Measured:
    losses: RowLosses
    answers: list[str]


def evaluate(
    asked: Asked,
    base: Partner | None,
    model_folder: Path,
    *,
    method: Method | None,
    loss_on: LossOn,
    max_positions: int,
    trained_loss: float | None,
) -> Report:
    """Measure base and result, examine the result, judge the gates, prove parity, and write the report.

    Args:
        asked: What the recipe asks for, and of which model.
        base: What the result was tuned from, or is compared with; None where it stands alone.
        model_folder: The saved result.
        method: Merges adapters, for the proof; None for a model that was made elsewhere, of which nothing is proved.
        loss_on: Which turns were trained.
        max_positions: Longest text of the model in tokens.
        trained_loss: Held-out loss that the loop measured for these weights; None if it did not.

    Raises:
        TemplateError: Serving would feed other tokens than were trained.
        ModelError: The saved weights do not compute what the trained ones did.
    """
    subject, settings = asked.subject, asked.settings
    held_out, template = subject.held_out, subject.template
    if not len(held_out.rows):
        raise DataError("there are no held-out rows to evaluate on", cure="data.eval.split: 0.1")
    questions = _questions(held_out, template, settings, max_positions)
    champion = asked.champion
    partners = [one for one in (base, champion.partner if champion else None) if one is not None]
    items = (len(partners) + 1) * (len(held_out.rows) + len(questions))
    progress = _Progress(asked.events, total=items)
    own = BaseSide(subject.objective, held_out.rows, subject.tokenizer, template)
    before = [_measure_partner(one, own, asked, questions, progress) for one in partners]
    tuned_model = ChatModel(subject.load(), subject.tokenizer, template)
    tuned = _measure(tuned_model, own, questions, settings, subject.dtype, progress)
    del tuned_model
    story: dict[str, Any] = {}
    if base is None:
        itself = Partner("itself", subject.load)
        comparisons = [alone(each) for each in _compare(asked, questions, itself, tuned, tuned, story)]
        base_answers = None
    else:
        comparisons = _compare(asked, questions, base, before[0], tuned, story)
        base_answers = before[0].answers
    result = None
    if champion is not None:
        result = ChampionResult(champion.uri, (), champion.why_none, champion.is_absent)
        if champion.partner is not None:
            against = _compare(asked, questions, champion.partner, before[-1], tuned, {})
            result = replace(result, comparisons=against)
    proofs: dict[str, Any] = {}
    if method is not None:
        if proves_merge(model_folder):
            subject.shelf.clear()  # the proof loads a model of its own
        proofs = _proofs(model_folder, held_out, method, template, loss_on, trained_loss, tuned.losses.mean)
    return conclude(
        replace(asked, story={**asked.story, **story}),
        comparisons,
        result,
        proofs,
        generations=_side_by_side(questions, base_answers, tuned.answers),
    )


def _compare(
    asked: Asked,
    questions: Sequence[Question],
    partner: Partner,
    before: _Measured,
    tuned: _Measured,
    story: dict[str, Any],
) -> list[Comparison]:
    """Return the metrics of the result, compared with those of a partner; ``story`` gets what the report tells."""
    subject, settings, side = asked.subject, asked.settings, partner.side
    rows, how = subject.held_out.rows, subject.how
    both, measured = (before.losses, tuned.losses), rows
    if side is not None:
        same = same_text(before.losses, side.rows, side.tokenizer, tuned.losses, rows, subject.tokenizer)
        both, measured = (same.base, same.tuned), same.texts
        story["same_text"] = {"left_out": same.num_left_out, **same.per_character()}
    of_rows, of_questions = (clusters_of(some, subject.held_out.samples) for some in (measured, questions))
    answers, metrics, encoder = (before.answers, tuned.answers), settings.metrics, settings.bert_score_encoder
    found = compare_losses(*both, how, of_rows) if "perplexity" in settings.metrics else []
    if "byte_perplexity" in settings.metrics and side is None:
        bytes_N = supervised_bytes(rows, subject.tokenizer)
        found.append(compare_byte_perplexity(before.losses, tuned.losses, bytes_N, how, of_rows))
    if questions:
        found += compare_answers(questions, *answers, metrics, how, of_questions, encoder=encoder)
    if isinstance(subject.objective, MixedObjective):
        if "perplexity" in settings.metrics and side is None:
            found += losses_by_task(rows, *both, how, of_rows)
        samples = subject.held_out.samples
        found += answers_by_task(samples, questions, *answers, metrics, how, of_questions, encoder=encoder)
    return [replace(each, partner=partner.name) for each in found]


class _Progress:
    """Counts what is done over all models and tells it."""

    def __init__(self, events: EventLog, total: int) -> None:
        self._events = events
        self._total = total
        self._before = 0

    def at(self, done: int) -> None:
        """Tell that ``done`` items of the present part are done."""
        self._events.emit("progress", stage="evaluate", done=self._before + done, total=self._total)

    def next_part(self, done: int) -> None:
        """Begin the next part after one of ``done`` items."""
        self._before += done


def _questions(
    held_out: HeldOut, template: ChatTemplate | None, settings: EvaluateSection, max_positions: int
) -> list[Question]:
    if template is None or not settings.num_generations:
        return []
    # Some tokenizers name no longest text, which transformers writes as 10^30.
    limit = min(int(template.tokenizer.model_max_length), max_positions) - settings.max_new_tokens
    return choose_questions(
        held_out.samples, template, count=settings.num_generations, max_tokens=max(limit, 1)
    )


def _measure_partner(
    partner: Partner, own: BaseSide, asked: Asked, questions: Sequence[Question], progress: _Progress
) -> _Measured:
    side = partner.side or own
    if partner.side is not None and questions:
        questions = asked_by(questions, asked.subject.held_out.samples, side.template)
    model = ChatModel(partner.load(), side.tokenizer, side.template)
    return _measure(model, side, questions, asked.settings, asked.subject.dtype, progress)


def _measure(
    model: ChatModel,
    side: BaseSide,
    questions: Sequence[Question],
    settings: EvaluateSection,
    dtype: torch.dtype,
    progress: _Progress,
) -> _Measured:
    losses = row_losses(model.model, side.objective, side.rows, dtype=dtype, on_progress=progress.at)
    progress.next_part(len(side.rows))
    answers = model.answers(
        [question.prompt_ids for question in questions],
        Sampling(max_new_tokens=settings.max_new_tokens),
        on_progress=progress.at,
    )
    progress.next_part(len(questions))
    return _Measured(losses, answers)


def _proofs(
    folder: Path,
    held_out: HeldOut,
    method: Method,
    template: ChatTemplate | None,
    loss_on: LossOn,
    trained_loss: float | None,
    reloaded_loss: float,
) -> dict[str, Any]:
    proofs: dict[str, Any] = {}
    rows = held_out.rows[:_PROVED_ROWS]
    if template is not None:
        samples = held_out.samples[:_PROVED_ROWS]
        proofs["prompts"] = prove_prompts(folder, samples, rows, loss_on=loss_on)
    if trained_loss is not None:
        proofs["reload"] = prove_reload(trained_loss, reloaded_loss)
    if proves_merge(folder):
        proofs["merge"] = prove_merge(folder, method, rows[:_MERGED_ROWS])
    return proofs


def _side_by_side(
    questions: Sequence[Question], base: Sequence[str] | None, tuned: Sequence[str]
) -> list[dict[str, str | None]]:
    before = [None] * len(questions) if base is None else [answer.strip() for answer in base]
    return [
        {"row": q.place, "prompt": q.prompt, "reference": q.reference, "base": b, "tuned": t.strip()}
        for q, b, t in zip(questions, before, tuned, strict=True)
    ]
