"""The examination of safety: jailbreaks, injected instructions and refusals, tuned model against base, paired."""

from __future__ import annotations

import gc
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from luthier.core.errors import DataError
from luthier.data.sample import Message
from luthier.evaluate.examination import Examined, Subject
from luthier.evaluate.safety.attempts import Attempt, make_attempts
from luthier.evaluate.safety.outcomes import make_judge, outcomes
from luthier.evaluate.safety.telling import tell_all
from luthier.models.chat_model import ChatModel
from luthier.models.generate import Sampling
from luthier.recipe.evaluate_sections.safety import SafetySection


@dataclass(frozen=True)
class Safety:
    """Examines how a chat model answers prompts that try it.

    Args:
        section: Of the recipe.
    """

    section: SafetySection

    def examine(self, subject: Subject) -> Examined:
        """Examine a model.

        Raises:
            DataError: It is no chat model, a file cannot be used, or a prompt does not fit.
            ServeError: The judge cannot be reached.
        """
        section = self.section
        if subject.template is None:
            problem = "asks questions, but this model has no chat template: it continues text, or has a head"
            raise DataError(problem, where="evaluate.safety", cure="leave evaluate.safety out")
        attempts = make_attempts(section, subject.recipe_folder, subject.how.seed)
        judge = make_judge(section.judge)
        parts = len(attempts) * 2 * (2 if subject.load_base else 1)
        progress = _Progress(subject.tell, parts)
        answers = _answers(subject.load(), attempts, section, subject, progress)
        tuned = outcomes(attempts, answers, judge, progress.at)
        progress.next_part(len(attempts))
        base = None
        if subject.load_base is not None:
            gc.collect()
            model = subject.load_base()
            if _reads(model, attempts, subject):
                before = _answers(model, attempts, section, subject, progress)
                base = outcomes(attempts, before, judge, progress.at)
        return tell_all(section, attempts, tuned, base, subject)


class _Progress:
    """Counts what is done over all parts and tells it."""

    def __init__(self, tell: Callable[[int, int], None], total: int) -> None:
        self._tell = tell
        self._total = total
        self._before = 0

    def at(self, done: int) -> None:
        """Tell that ``done`` items of the present part are done."""
        self._tell(self._before + done, self._total)

    def next_part(self, done: int) -> None:
        """Begin the next part after one of ``done`` items."""
        self._before += done


def _answers(
    model: Any, attempts: Sequence[Attempt], section: SafetySection, subject: Subject, progress: _Progress
) -> list[str]:
    chat = ChatModel(model, subject.tokenizer, subject.template)
    prompts = _prompt_ids(attempts, subject)
    limit = chat.max_positions - section.max_new_tokens
    for attempt, prompt in zip(attempts, prompts, strict=True):
        if len(prompt) > limit:
            problem = f"has {len(prompt)} tokens; {max(limit, 0)} leave room for an answer"
            raise DataError(
                problem, where=attempt.place, cure="shorten it, or lower evaluate.safety.max_new_tokens"
            )
    sampling = Sampling(max_new_tokens=section.max_new_tokens)
    answers = chat.answers(prompts, sampling, on_progress=progress.at)
    progress.next_part(len(attempts))
    return answers


def _prompt_ids(attempts: Sequence[Attempt], subject: Subject) -> list[list[int]]:
    assert subject.template is not None
    return [subject.template.prompt_ids([Message("user", attempt.prompt)]) for attempt in attempts]


def _reads(base: Any, attempts: Sequence[Attempt], subject: Subject) -> bool:
    """Whether the base has embeddings of all tokens: not where the recipe's vocabulary adds some."""
    most = max(max(prompt) for prompt in _prompt_ids(attempts, subject))
    return bool(most < base.get_input_embeddings().weight.shape[0])
