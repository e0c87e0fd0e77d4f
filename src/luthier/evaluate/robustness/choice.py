"""A chat model under attack: right is where it prefers the row's own answer to those of others."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from random import Random
from typing import Any

import torch

from luthier.core.errors import DataError, TemplateError
from luthier.core.hashing import fingerprint
from luthier.data.example import IGNORED
from luthier.data.render import ConversationError
from luthier.data.sample import Message, Sample
from luthier.data.template import ChatTemplate
from luthier.evaluate.robustness.victim import Verdict
from luthier.models.log_likelihood import log_likelihoods

NUM_OPTIONS = 4
"""Answers to choose from: the row's own, and those of other rows."""
_OPTION_TOKENS = 24
"""An answer is recognised by its beginning; what follows would cost time and decide nothing."""


class ChoiceVictim:
    """Asks a chat model which of several answers is the one to a prompt.

    The answers are the row's own and three drawn from other rows, the same ones for every alteration of the row. The
    model chooses the one with the greatest mean log-likelihood a token, over its first 24 tokens.

    Args:
        model: A causal language model in evaluation mode.
        template: Renders prompts and answers.
        samples: Held-out conversations: the answers that are drawn from.
        seed: Of the draws.
        max_tokens: Longest prompt with an answer.
        dtype: Type of the computation.

    Raises:
        DataError: All rows have the same answer, so that there is nothing to choose from.
    """

    def __init__(
        self,
        model: Any,
        template: ChatTemplate,
        samples: Sequence[Sample],
        *,
        seed: int,
        max_tokens: int,
        dtype: torch.dtype,
    ) -> None:
        self._model = model
        self._template = template
        self._seed = seed
        self._max_tokens = max_tokens
        self._dtype = dtype
        answers = (_answer_of(sample) for sample in samples)
        self._answers = list(dict.fromkeys(answer for answer in answers if answer))
        if len(self._answers) < 2:
            raise DataError(
                f"all {len(samples)} held-out rows have the same answer: there is no other one to choose instead",
                where="evaluate.robustness",
                cure="hold out rows with different answers",
            )

    def ask(self, samples: Sequence[Sample]) -> list[Verdict | None]:
        """Return which answer the model chooses for each row."""
        return [self._ask(sample) for sample in samples]

    def _ask(self, sample: Sample) -> Verdict | None:
        last = _last_answer(sample)
        if last is None:
            return None
        turns = sample.messages[:last]
        options = [sample.messages[last].content, *self.wrong_answers(sample)]
        try:
            prompt = self._template.prompt_ids(turns, sample.tools)
            tokens = [self._tokens(sample, turns, option) for option in options]
        except (ConversationError, TemplateError):
            return None
        if not all(tokens) or len(prompt) + max(map(len, tokens)) > self._max_tokens:
            return None
        with torch.autocast("cpu", self._dtype, enabled=self._dtype != torch.float32):
            found = log_likelihoods(self._model, prompt, tokens)
        means = [each.log_likelihood / each.num_tokens for each in found]
        chosen = max(range(len(means)), key=means.__getitem__)
        return Verdict(options[chosen], chosen == 0, max(means[1:]) - means[0])

    def _tokens(self, sample: Sample, turns: Sequence[Message], answer: str) -> list[int]:
        """Return the first tokens of an answer as the template writes it."""
        chat = self._template.encode([*turns, Message("assistant", answer)], sample.tools, "last_turn")
        return [label for label in chat.labels if label != IGNORED][:_OPTION_TOKENS]

    def text_of(self, sample: Sample) -> str:
        """Return the last turn of the user before the answer."""
        turn = _asked_turn(sample)
        return "" if turn is None else sample.messages[turn].content

    def with_text(self, sample: Sample, text: str) -> Sample:
        """Return the row with another question."""
        turn = _asked_turn(sample)
        assert turn is not None, "a row without a question has no text to alter"
        turns = list(sample.messages)
        turns[turn] = replace(turns[turn], content=text)
        return replace(sample, messages=tuple(turns))

    def wrong_answers(self, sample: Sample) -> Sequence[str]:
        """Return answers of other rows, the same ones whatever the row is asked."""
        own = _answer_of(sample)
        others = [answer for answer in self._answers if answer != own]
        random = Random(fingerprint(self._seed, sample.place, "options"))
        return random.sample(others, min(NUM_OPTIONS - 1, len(others)))


def _last_answer(sample: Sample) -> int | None:
    turns = enumerate(sample.messages)
    return max((n for n, turn in turns if turn.role == "assistant" and turn.content), default=None)


def _answer_of(sample: Sample) -> str | None:
    last = _last_answer(sample)
    return None if last is None else sample.messages[last].content


def _asked_turn(sample: Sample) -> int | None:
    last = _last_answer(sample)
    turns = sample.messages[:last] if last is not None else ()
    return max((n for n, turn in enumerate(turns) if turn.role == "user"), default=None)
