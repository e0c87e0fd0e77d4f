"""Scoring: how good an answer is, by the metric that prompts are compared by."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal

from luthier.data.annotation.named_label import named_label
from luthier.evaluate.answers import exact_match, rouge_l
from luthier.prompts.answer import Answer
from luthier.prompts.extract import extract
from luthier.prompts.prompt import Rendered
from luthier.prompts.sections import ExtractSection

Normalize = Literal["sum", "token", "byte"]
"""What a choice's log-likelihood is divided by: nothing, its tokens, or its bytes."""


@dataclass(frozen=True)
class Scored:
    """An answer and its score.

    Args:
        answer: What counts as the answer; None where none was found.
        score: From 0 to 1.
    """

    answer: str | None
    score: float


@dataclass(frozen=True)
class PromptMetric:
    """A metric that prompts are compared by.

    Args:
        label: For people.
        needs_choices: Whether the possible answers must be known.
        chooses: Whether choices are measured, not an answer generated.
        is_share: Whether a row scores 0 or 1 and nothing between.
        score: From the question and the answer that was found.
    """

    label: str
    needs_choices: bool
    chooses: bool
    is_share: bool
    score: Callable[[Rendered, str], float]


def _chosen(question: Rendered, answer: str) -> float:
    return float(answer in question.references)


def _named(question: Rendered, answer: str) -> float:
    number = named_label(answer, question.choices)
    return float(number is not None and question.choices[number] in question.references)


def _best(measure: Callable[[str, str], float]) -> Callable[[Rendered, str], float]:
    return lambda question, answer: max(measure(answer, reference) for reference in question.references)


METRICS: Mapping[str, PromptMetric] = {
    "exact_match": PromptMetric("Exact match", False, False, True, _best(exact_match)),
    "rouge": PromptMetric("ROUGE-L", False, False, False, _best(rouge_l)),
    "accuracy": PromptMetric("Accuracy of the choice that is named", True, False, True, _named),
    "choice_log_likelihood": PromptMetric("Accuracy of the most probable choice", True, True, True, _chosen),
}


def score(
    question: Rendered,
    answer: Answer,
    metric: PromptMetric,
    rule: ExtractSection | None,
    normalize: Normalize = "sum",
) -> Scored:
    """Return the score of an answer.

    Args:
        question: With its references and choices.
        answer: What came back.
        metric: The measure.
        rule: Where the answer stands in what was said.
        normalize: Of choices.
    """
    found = most_probable(question, answer, normalize) if metric.chooses else extract(answer.said, rule)
    return Scored(found, 0.0 if found is None else metric.score(question, found))


def most_probable(question: Rendered, answer: Answer, normalize: Normalize) -> str:
    """Return the choice that the model finds most probable; of equal ones the first.

    ``sum`` is lm-evaluation-harness's ``acc``, ``byte`` its ``acc_norm``.
    """
    lengths: Mapping[Normalize, list[int]] = {
        "sum": [1] * len(question.choices),
        "token": list(answer.choice_tokens),
        "byte": [len(choice.encode()) for choice in question.choices],
    }
    values = [
        value / length for value, length in zip(answer.log_likelihoods, lengths[normalize], strict=True)
    ]
    return question.choices[values.index(max(values))]
