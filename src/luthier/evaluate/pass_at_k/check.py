"""The examination pass@k: several sampled answers to each prompt, each checked, of the model and of its base."""

from __future__ import annotations

import gc
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from luthier.core.errors import DataError
from luthier.evaluate.examination import Examined, Subject
from luthier.evaluate.pass_at_k.code import run_all
from luthier.evaluate.pass_at_k.marks import MARKS, why_unchecked
from luthier.evaluate.pass_at_k.problems import Problem, read_problems
from luthier.evaluate.pass_at_k.sandbox import Limits, Outcome, run_tests
from luthier.evaluate.pass_at_k.telling import Tried, tell_all
from luthier.models.chat_model import ChatModel
from luthier.models.generate import Sampling
from luthier.recipe.evaluate_sections.pass_at_k import PassAtKSection


@dataclass(frozen=True)
class PassAtK:
    """Examines how often at least one of k answers is right.

    Args:
        section: Of the recipe.
    """

    section: PassAtKSection

    def examine(self, subject: Subject) -> Examined:
        """Examine a model.

        Raises:
            DataError: It writes no answers, a row cannot be used, or code cannot be run here.
        """
        section = self.section
        if subject.objective.head is not None:
            problem = "a model with a head writes no answers that could be checked"
            raise DataError(problem, where="evaluate.pass_at_k", cure="leave it out")
        if section.check == "python":
            _prove_that_code_runs(self._limits)
        chat = ChatModel(subject.load(), subject.tokenizer, subject.template)
        problems = read_problems(section, subject, chat.max_positions - section.max_new_tokens)
        reasons = self._why_unchecked(problems)
        asked = [problem for problem, reason in zip(problems, reasons, strict=True) if not reason]
        left_out = [
            (problem.place, reason) for problem, reason in zip(problems, reasons, strict=True) if reason
        ]
        tuned: list[list[Tried]] = []
        base: list[list[Tried]] | None = None
        why_no_base = ""
        if asked:
            parts = 2 * len(asked) * (2 if subject.load_base else 1)
            tuned = self._tried(chat, asked, subject, lambda done: subject.tell(done, parts))
            del chat
            if subject.load_base is not None:
                gc.collect()
                chat = ChatModel(subject.load_base(), subject.tokenizer, subject.template)
                why_no_base = _why_it_cannot_read(chat, asked)
                if not why_no_base:
                    begun = 2 * len(asked)
                    base = self._tried(chat, asked, subject, lambda done: subject.tell(begun + done, parts))
        return tell_all(section, asked, left_out, tuned, base, subject, why_no_base)

    @property
    def _limits(self) -> Limits:
        return Limits(self.section.timeout_seconds, self.section.memory_mb)

    def _why_unchecked(self, problems: Sequence[Problem]) -> list[str]:
        """Return why the answers to each problem cannot be checked; empty where they can.

        Code that a row itself gives as right must pass the row's tests, or else no failure would mean anything.
        """
        if self.section.check != "python":
            return [why_unchecked(self.section.check, problem.reference) for problem in problems]
        given = [(problem, problem.reference) for problem in problems if problem.reference]
        told = {
            problem.place: outcome.problem
            for (problem, _), outcome in zip(
                given, run_all(given, self._limits, lambda done: None), strict=True
            )
        }
        faults = [told.get(problem.place, "") for problem in problems]
        return [f"its own reference does not pass its tests ({fault})" if fault else "" for fault in faults]

    def _tried(
        self, chat: ChatModel, asked: Sequence[Problem], subject: Subject, tell: Callable[[int], None]
    ) -> list[list[Tried]]:
        """Return the checked answers to each problem."""
        section = self.section
        sampling = Sampling(
            section.max_new_tokens, section.temperature, section.top_p, subject.how.seed, tuple(section.stop)
        )
        count = section.samples
        drawn = chat.samples([problem.prompt_ids for problem in asked], sampling, count, on_progress=tell)
        pairs = [(problem, piece) for problem, pieces in zip(asked, drawn, strict=True) for piece in pieces]
        outcomes = self._outcomes(
            [(problem, piece.text) for problem, piece in pairs], lambda done: tell(len(asked) + done // count)
        )
        tried = [
            Tried(piece.text, outcome, piece.finish_reason == "length")
            for (_, piece), outcome in zip(pairs, outcomes, strict=True)
        ]
        return [tried[start : start + count] for start in range(0, len(tried), count)]

    def _outcomes(self, answers: Sequence[tuple[Problem, str]], tell: Callable[[int], None]) -> list[Outcome]:
        if self.section.check == "python":
            return run_all(answers, self._limits, tell)
        mark = MARKS[self.section.check]
        passed = [mark(answer, problem.reference) for problem, answer in answers]
        tell(len(answers))
        return [Outcome(is_right, "" if is_right else "is not the reference", None) for is_right in passed]


def _prove_that_code_runs(limits: Limits) -> None:
    """Run code that must pass and code that must not.

    Raises:
        DataError: This system does not run code within the limits.
    """
    right, wrong = (run_tests("value = 1", f"assert value == {value}", limits) for value in (1, 2))
    if not right.is_passed or wrong.is_passed:
        problem = (
            f"Python code cannot be run within its limits here: {right.problem or 'a wrong test passes'}"
        )
        raise DataError(problem, where="evaluate.pass_at_k", cure="raise memory_mb or timeout_seconds")


def _why_it_cannot_read(base: ChatModel, asked: Sequence[Problem]) -> str:
    """Return why the base cannot be asked; empty where it can: not where the recipe's vocabulary adds tokens."""
    most, size = max(max(problem.prompt_ids) for problem in asked), base.vocabulary_size
    return "" if most < size else f"it has embeddings of {size:,} tokens; a prompt has token {most:,}"
