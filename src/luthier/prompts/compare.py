"""Compare prompts: each is asked about the same rows, and the differences are judged."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from luthier.core.errors import DataError
from luthier.prompts.answer import Answer, Asked
from luthier.prompts.finished import FinishedAnswers, answer_key
from luthier.prompts.fit import fitted
from luthier.prompts.judge import Settings, judged
from luthier.prompts.prompt import Prompt, Rendered
from luthier.prompts.rows import PromptRow
from luthier.prompts.scoring import METRICS, Normalize, PromptMetric, Scored, score

OnProgress = Callable[[str, int, int], None]
"""Told the name of a prompt, and how many of its answers there are, of how many."""

_SHOWN_ROWS = 24


@dataclass(frozen=True)
class Answered:
    """A prompt with its questions, answers and scores, row by row."""

    prompt: Prompt
    questions: list[Rendered]
    answers: list[Answer]
    scored: list[Scored]
    num_kept: int


def compare(
    prompts: Sequence[Prompt],
    rows: Sequence[PromptRow],
    asked: Asked,
    metric_name: str,
    finished: FinishedAnswers,
    settings: Settings,
    *,
    normalize: Normalize = "sum",
    on_progress: OnProgress = lambda name, done, total: None,
) -> dict[str, Any]:
    """Measure prompts on an evaluation set.

    All of them are rendered before the model is asked anything, so that a fault shows at once.

    Args:
        prompts: One or more, with different names.
        rows: The evaluation set.
        asked: The model.
        metric_name: One of `METRICS`.
        finished: Answers of earlier runs; new ones are added.
        settings: Of the statistics.
        normalize: Of the log-likelihood of choices.
        on_progress: See `OnProgress`.

    Returns:
        What ``report.json`` holds.

    Raises:
        DataError: A row lacks what a prompt or the metric needs, or a prompt is too long.
        ServeError: The server refuses; answers so far are kept.
    """
    metric = METRICS[metric_name]
    if metric.chooses and not asked.measures_choices:
        cure = "--metric accuracy, which reads the answer; or name the model's folder without --server"
        raise DataError("a server does not tell how probable a choice is", where="--metric", cure=cure)
    for prompt in prompts:
        _check_metric(prompt, metric_name, metric)
    questions = [_questions(prompt, rows, asked) for prompt in prompts]
    answered = [
        _answered(prompt, own, asked, metric, finished, normalize, on_progress)
        for prompt, own in zip(prompts, questions, strict=True)
    ]
    return _content(answered, rows, asked, metric_name, metric, settings, normalize)


def _check_metric(prompt: Prompt, name: str, metric: PromptMetric) -> None:
    file, place = prompt.file, str(prompt.path)
    if file.answer is None:
        cure = "e.g. answer: '{{ label }}'"
        raise DataError(
            f"metric {name} compares with a right answer; answer is absent", where=place, cure=cure
        )
    if metric.needs_choices and not file.has_choices:
        cure = "choices, choices_in_row or choices_from"
        raise DataError(f"metric {name} needs the possible answers", where=place, cure=cure)
    if metric.chooses and file.reasoning is not None:
        cure = "--metric accuracy"
        problem = "choices are measured right after the prompt, where the model would still be reasoning"
        raise DataError(problem, where=f"{place}: reasoning", cure=cure)
    if metric.chooses and file.extract is not None:
        problem = "has no effect: choices are measured, nothing is generated"
        raise DataError(problem, where=f"{place}: extract", cure="--metric accuracy, or delete it")


def _questions(prompt: Prompt, rows: Sequence[PromptRow], asked: Asked) -> list[Rendered]:
    prompt.prepare(rows)
    return [fitted(prompt, prompt.render(row), asked) for row in rows]


def _answered(
    prompt: Prompt,
    questions: list[Rendered],
    asked: Asked,
    metric: PromptMetric,
    finished: FinishedAnswers,
    normalize: Normalize,
    on_progress: OnProgress,
) -> Answered:
    file = prompt.file
    keys = [answer_key(asked, question, file, chooses=metric.chooses) for question in questions]
    wanted = {key: question for key, question in zip(keys, questions, strict=True) if key not in finished}
    num_kept = sum(key in finished for key in keys)
    done = len(set(keys)) - len(wanted)
    on_progress(file.name, done, len(set(keys)))
    ask = asked.choose if metric.chooses else asked.generate
    new_keys = list(wanted)
    for batch in ask(list(wanted.values()), file) if wanted else ():
        finished.add([(new_keys[number], answer) for number, answer in batch])
        done += len(batch)
        on_progress(file.name, done, len(set(keys)))
    answers = [finished[key] for key in keys]
    scored = [
        score(question, answer, metric, file.extract, normalize)
        for question, answer in zip(questions, answers, strict=True)
    ]
    return Answered(prompt, questions, answers, scored, num_kept)


def _content(
    answered: Sequence[Answered],
    rows: Sequence[PromptRow],
    asked: Asked,
    metric_name: str,
    metric: PromptMetric,
    settings: Settings,
    normalize: Normalize,
) -> dict[str, Any]:
    scores_PN = np.array([[one.score for one in each.scored] for each in answered])
    names = [each.prompt.file.name for each in answered]
    tokens = [_mean([answer.prompt_tokens for answer in each.answers]) for each in answered]
    verdict = judged(names, scores_PN, metric, settings, rows=rows, tokens=tokens)
    return {
        "model": asked.name,
        "metric": metric_name,
        "metric_label": metric.label,
        "normalize": normalize if metric.chooses else None,
        "rows": len(rows),
        "data": rows[0].source,
        "settings": asdict(settings),
        "prompts": [
            {**_of_prompt(each, share), "score": asdict(interval)}
            for each, share, interval in zip(answered, scores_PN.mean(axis=1), verdict.scores, strict=True)
        ],
        "pairs": [asdict(pair) for pair in verdict.pairs],
        "verdict": verdict.text,
        "notices": _notices(answered),
        "rows_side_by_side": _side_by_side(answered, scores_PN),
    }


def _of_prompt(each: Answered, mean: float) -> dict[str, Any]:
    file = each.prompt.file
    shown = [len(question.examples) for question in each.questions]
    return {
        "name": file.name,
        "file": str(each.prompt.path),
        "description": file.description,
        "prompt_tokens": _mean([answer.prompt_tokens for answer in each.answers]),
        "new_tokens": _mean([answer.new_tokens for answer in each.answers]),
        "total_tokens": _total(each.answers),
        "seconds": sum(answer.seconds for answer in each.answers),
        "kept_answers": each.num_kept,
        "without_answer": sum(one.answer is None for one in each.scored),
        "cut_off": sum(answer.finish_reason == "length" for answer in each.answers),
        "examples": sum(shown) / len(shown),
        "rows_with_fewer_examples": sum(count < each.prompt.count_examples for count in shown),
        "examples_left_out": asdict(each.prompt.left_out),
        "first_prompt": [{"role": turn.role, "content": turn.content} for turn in each.questions[0].messages],
    }


def _mean(counts: Sequence[int | None]) -> float | None:
    known = [count for count in counts if count is not None]
    return sum(known) / len(known) if known else None


def _total(answers: Sequence[Answer]) -> int | None:
    if any(answer.prompt_tokens is None or answer.new_tokens is None for answer in answers):
        return None
    return sum((answer.prompt_tokens or 0) + (answer.new_tokens or 0) for answer in answers)


def _notices(answered: Sequence[Answered]) -> list[str]:
    """Return what a reader of the figures must know."""
    notices = []
    by_row = zip(*(each.questions for each in answered), strict=True)
    if differing := sum(len({question.references for question in same}) > 1 for same in by_row):
        notices.append(
            f"in {differing} rows the prompts are measured against different right answers, so that their scores are "
            "those of different tasks"
        )
    for each in answered:
        name, num_rows = each.prompt.file.name, len(each.answers)
        if cut := sum(answer.finish_reason == "length" for answer in each.answers):
            notices.append(f"{name}: {cut} of {num_rows} answers were cut off; raise max_new_tokens")
        if without := sum(one.answer is None for one in each.scored):
            notices.append(
                f"{name}: in {without} of {num_rows} answers nothing was found by extract; they score 0"
            )
    return notices


def _side_by_side(answered: Sequence[Answered], scores_PN: np.ndarray) -> list[dict[str, Any]]:
    """Return rows to read: first those on which the prompts differ most, then those that all of them miss."""
    spread_N = scores_PN.max(axis=0) - scores_PN.min(axis=0)
    order = sorted(range(scores_PN.shape[1]), key=lambda n: (-spread_N[n], scores_PN[:, n].max(), n))
    worth = [n for n in order if spread_N[n] > 0 or scores_PN[:, n].max() < 1][:_SHOWN_ROWS]
    return [
        {
            "row": answered[0].questions[n].row.place,
            # Of the prompt that says least besides.
            "question": min((each.questions[n].messages[-1].content for each in answered), key=len),
            "references": list(answered[0].questions[n].references),
            "answers": [
                {
                    "prompt": each.prompt.file.name,
                    "answer": each.scored[n].answer,
                    "said": each.answers[n].said,
                    "score": each.scored[n].score,
                }
                for each in answered
            ],
        }
        for n in worth
    ]
