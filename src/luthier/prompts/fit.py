"""The guard of length: a prompt that leaves no room for its answer stops, or loses examples, and is counted."""

from __future__ import annotations

from typing import Protocol

from luthier.core.errors import DataError
from luthier.prompts.prompt import Prompt, Rendered
from luthier.prompts.sections import PromptFile


class CountsTokens(Protocol):
    """What knows the length of a prompt."""

    def num_tokens(self, rendered: Rendered, file: PromptFile) -> int | None:
        """Return the tokens of a prompt; None where only a server knows."""

    def max_tokens(self, file: PromptFile) -> int | None:
        """Return the longest prompt that leaves room for an answer; None where only a server knows."""


def fitted(prompt: Prompt, question: Rendered, asked: CountsTokens) -> Rendered:
    """Return a question that fits, with fewer examples where the prompt file allows it.

    Args:
        prompt: It was rendered by.
        question: As it was rendered.
        asked: Counts tokens.

    Raises:
        DataError: It is too long, or would be without any example.
    """
    file = prompt.file
    room = asked.max_tokens(file)
    if room is None and file.max_prompt_tokens is not None:
        raise DataError(
            "has no effect: only the server knows its tokens",
            where=f"{prompt.path}: max_prompt_tokens",
            cure="delete it; the server refuses what is too long",
        )
    limit = min((bound for bound in (room, file.max_prompt_tokens) if bound is not None), default=None)
    length = asked.num_tokens(question, file)
    if limit is None or length is None or length <= limit:
        return question
    if file.too_long == "fewer_examples":
        for count in reversed(range(len(question.examples))):
            shorter = prompt.with_fewer(question, count)
            if (asked.num_tokens(shorter, file) or 0) <= limit:
                return shorter
    cure = "a shorter template"
    if question.examples and file.too_long == "error":
        cure = "fewer examples, or too_long: fewer_examples"
    problem = f"its prompt has {length} tokens; {limit} leave room for an answer of {file.max_new_tokens}"
    raise DataError(problem, where=f"{prompt.path}, {question.row.place}", cure=cure)
