"""Sample: the one noun that flows through data, whatever file and schema a row came from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, get_args

Role = Literal["system", "user", "assistant", "tool"]
ROLES: tuple[str, ...] = get_args(Role)

Kind = Literal["conversation", "text", "classification", "token_classification", "question_answering"]
"""What a row is, whichever schema it was written in."""


@dataclass(frozen=True, slots=True)
class Message:
    """One turn of a conversation.

    Args:
        role: Who speaks; a role beyond those of `ROLES` is context that the chat template writes.
        content: What is said; empty beside tool calls.
        tool_calls: Calls of an assistant turn: ``{"name": str, "arguments": dict | str}`` each.
        weight: 0 leaves an assistant turn out of the loss, 1 keeps it (OpenAI's per-message weight); other numbers
            are factors of its loss, which examples of single turns can carry.
    """

    role: Role | str
    content: str
    tool_calls: tuple[Mapping[str, Any], ...] = ()
    weight: float = 1


@dataclass(frozen=True, slots=True)
class Answer:
    """A span of a context that answers a question.

    Args:
        text: Its characters.
        start: Where it begins in the context, in characters from 0.
    """

    text: str
    start: int


@dataclass(frozen=True, slots=True)
class Sample:
    """One row: a conversation, a text, or the input and the target of another task, with the place it came from.

    Args:
        source: Path of the file, as the recipe names it.
        row: Row number in that file, from 1.
        messages: The conversation; empty for the other kinds.
        text: Raw text, or the text to classify.
        tools: JSON-schema descriptions of the tools that the assistant may call.
        group: Rows with the same group stay on one side of a split.
        text_pair: Second text to classify with the first, e.g. a hypothesis.
        labels: Classes of the text, usually one; an empty tuple where several may be and none is; None
            where the row is nothing to classify.
        tokens: Words to tag.
        tags: A tag for each of them.
        question: What is asked about the context.
        context: Where the answers stand.
        answers: Empty for a question that the context does not answer.
        weight: Share of the row in the loss; 2 counts as the row twice.
        task: Which of several tasks the row belongs to.
        attributes: Columns for analysis and balance, e.g. topic or age.
    """

    source: str
    row: int
    messages: tuple[Message, ...] = ()
    text: str | None = None
    tools: tuple[Mapping[str, Any], ...] = field(default=())
    group: str | None = None
    text_pair: str | None = None
    labels: tuple[str, ...] | None = None
    tokens: tuple[str, ...] = ()
    tags: tuple[str, ...] = ()
    question: str | None = None
    context: str | None = None
    answers: tuple[Answer, ...] = ()
    weight: float = 1.0
    task: str | None = None
    attributes: Mapping[str, str] = field(default_factory=dict)

    @property
    def kind(self) -> Kind:
        """What the row is, told from what it holds."""
        if self.messages:
            return "conversation"
        if self.question is not None:
            return "question_answering"
        if self.tokens:
            return "token_classification"
        return "text" if self.labels is None else "classification"

    @property
    def place(self) -> str:
        """Where the row stands, for messages: ``data/train.json, row 17``."""
        return f"{self.source}, row {self.row}"
