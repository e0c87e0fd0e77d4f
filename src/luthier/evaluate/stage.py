"""The evaluate stage: base and result on the same held-out rows, judged, proved and told."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, ClassVar

import torch

from luthier.core.artifact import Artifact
from luthier.core.errors import DataError
from luthier.core.events import EventLog
from luthier.core.files import atomic_folder, strict_json, write_json, write_text
from luthier.data.example import Example
from luthier.data.template import ChatTemplate, LossOn
from luthier.evaluate.answers import Question, asked_by, choose_questions
from luthier.evaluate.by_task import answers_by_task, losses_by_task
from luthier.evaluate.byte_perplexity import supervised_bytes
from luthier.evaluate.examination import HeldOut
from luthier.evaluate.gates import GateResult, check_gates
from luthier.evaluate.html import render_report
from luthier.evaluate.loss import RowLosses, row_losses
from luthier.evaluate.metrics import Comparison, compare_answers, compare_byte_perplexity, compare_losses
from luthier.evaluate.parity import prove_merge, prove_prompts, prove_reload, proves_merge
from luthier.evaluate.same_text import BaseSide, same_text
from luthier.evaluate.statistics import Resampling
from luthier.methods.contract import Method
from luthier.models.chat_model import ChatModel
from luthier.models.generate import Sampling
from luthier.objectives.balance import MixedObjective
from luthier.objectives.contract import Objective
from luthier.recipe.evaluate_sections.evaluate import EvaluateSection
from luthier.recipe.evaluate_sections.gate import Gate

_PROVED_ROWS = 200
_MERGED_ROWS = 4


@dataclass(frozen=True)
class Report(Artifact):
    """What the result is worth; the whole of it is in ``report.json`` and ``report.html``.

    Args:
        metrics: Each metric of base and result, with intervals and test.
        gates: Each gate with its verdict.
        proofs: What was proved about the saved model, with figures.
        passed: Whether every gate passed.
    """

    stage: ClassVar[str] = "evaluate"

    metrics: list[dict[str, Any]] = field(default_factory=list)
    gates: list[dict[str, Any]] = field(default_factory=list)
    proofs: dict[str, Any] = field(default_factory=dict)
    passed: bool = False


@dataclass(frozen=True)
class _Measured:
    losses: RowLosses
    answers: list[str]


def evaluate(
    load_base: Callable[[], Any],
    model_folder: Path,
    held_out: HeldOut,
    objective: Objective,
    settings: EvaluateSection,
    gates: Sequence[Gate],
    *,
    method: Method,
    loss_on: LossOn,
    tokenizer: Any,
    template: ChatTemplate | None,
    dtype: torch.dtype,
    max_positions: int,
    trained_loss: float | None,
    story: Mapping[str, Any],
    seed: int,
    folder: Path,
    fingerprint: str,
    events: EventLog,
    base_side: BaseSide | None = None,
) -> Report:
    """Measure base and result, judge the gates, prove parity, and write the report.

    Args:
        load_base: Returns the base model.
        model_folder: The saved result.
        held_out: Rows that were not trained.
        objective: Computes losses.
        settings: The recipe's evaluate section.
        gates: The recipe's gates.
        method: Merges adapters, for the proof.
        loss_on: Which turns were trained.
        tokenizer: Of the rows.
        template: Of the rows; None for raw text.
        dtype: Type of the computation.
        max_positions: Longest text of the model in tokens.
        trained_loss: Held-out loss that the loop measured for these weights; None if it did not.
        story: What the report tells besides: run, data, training.
        seed: Of resampling.
        folder: Gets the report.
        fingerprint: Of this stage.
        events: Told about the progress.
        base_side: How the base reads the rows, where its tokenizer is another one.

    Raises:
        TemplateError: Serving would feed other tokens than were trained.
        ModelError: The saved weights do not compute what the trained ones did.
    """
    if not len(held_out.rows):
        raise DataError("there are no held-out rows to evaluate on", cure="data.eval.split: 0.1")
    questions = _questions(held_out, template, settings, max_positions)
    side = base_side or BaseSide(objective, held_out.rows, tokenizer, template)
    asked = questions if base_side is None else asked_by(questions, held_out.samples, base_side.template)
    progress = _Progress(events, total=len(held_out.rows) + len(side.rows) + 2 * len(questions))
    base_model = ChatModel(load_base(), side.tokenizer, side.template)
    base = _measure(base_model, side.objective, side.rows, asked, settings, dtype, progress)
    del base_model
    tuned_model = ChatModel.from_folder(model_folder, base_form="packed")
    tuned = _measure(tuned_model, objective, held_out.rows, questions, settings, dtype, progress)
    how = Resampling(settings.bootstrap_samples, settings.confidence, seed)
    both = (base.losses, tuned.losses)
    if base_side is not None:
        same = same_text(base.losses, side.rows, side.tokenizer, tuned.losses, held_out.rows, tokenizer)
        both = (same.base, same.tuned)
        story = {**story, "same_text": {"left_out": same.num_left_out, **same.per_character()}}
    comparisons = compare_losses(*both, how) if "perplexity" in settings.metrics else []
    if "byte_perplexity" in settings.metrics:
        bytes_N = supervised_bytes(held_out.rows, tokenizer)
        comparisons.append(compare_byte_perplexity(base.losses, tuned.losses, bytes_N, how))
    if questions:
        comparisons += compare_answers(questions, base.answers, tuned.answers, settings.metrics, how)
    if isinstance(objective, MixedObjective):
        if "perplexity" in settings.metrics and base_side is None:
            comparisons += losses_by_task(held_out.rows, *both, how)
        answers = (base.answers, tuned.answers)
        comparisons += answers_by_task(held_out.samples, questions, *answers, settings.metrics, how)
    proofs = _proofs(model_folder, held_out, method, template, loss_on, trained_loss, tuned.losses.mean)
    return write_report(
        folder,
        fingerprint,
        story,
        comparisons,
        check_gates(gates, comparisons),
        proofs,
        confidence=settings.confidence,
        generations=_side_by_side(questions, base.answers, tuned.answers),
    )


def write_report(
    folder: Path,
    fingerprint: str,
    story: Mapping[str, Any],
    comparisons: Sequence[Comparison],
    verdicts: Sequence[GateResult],
    proofs: Mapping[str, Any],
    *,
    confidence: float,
    **further: Any,
) -> Report:
    """Write ``report.json`` and ``report.html``, and return what the next stages need of them.

    Args:
        folder: Gets the report.
        fingerprint: Of the evaluate stage.
        story: What the report tells besides: run, data, training.
        comparisons: The metrics of both sides.
        verdicts: The gates, judged.
        proofs: What was proved about the saved model.
        confidence: Coverage of the intervals.
        **further: Other parts of the page, such as ``generations`` or ``tables``.
    """
    content: dict[str, Any] = {
        **story,
        "confidence": confidence,
        "metrics": [asdict(comparison) for comparison in comparisons],
        "gates": [asdict(verdict) for verdict in verdicts],
        "passed": all(verdict.passed for verdict in verdicts),
        "proofs": dict(proofs),
        **further,
    }
    with atomic_folder(folder) as partial:
        write_json(partial / "report.json", strict_json(content))
        write_text(partial / "report.html", render_report(content))
    return Report(
        folder=folder,
        fingerprint=fingerprint,
        metrics=content["metrics"],
        gates=content["gates"],
        proofs=content["proofs"],
        passed=content["passed"],
    ).save()


class _Progress:
    """Counts what is done over both models and tells it."""

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


def _measure(
    model: ChatModel,
    objective: Objective,
    rows: Sequence[Example],
    questions: Sequence[Question],
    settings: EvaluateSection,
    dtype: torch.dtype,
    progress: _Progress,
) -> _Measured:
    losses = row_losses(model.model, objective, rows, dtype=dtype, on_progress=progress.at)
    progress.next_part(len(rows))
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
    questions: Sequence[Question], base: Sequence[str], tuned: Sequence[str]
) -> list[dict[str, str]]:
    return [
        {"row": q.place, "prompt": q.prompt, "reference": q.reference, "base": b.strip(), "tuned": t.strip()}
        for q, b, t in zip(questions, base, tuned, strict=True)
    ]
