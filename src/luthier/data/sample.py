"""Sample: the one noun that flows through data, whatever file and schema a row came from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, get_args

Role = Literal["system", "user", "assistant", "tool"]
ROLES: tuple[str, ...] = get_args(Role)


@dataclass(frozen=True, slots=True)
class Message:
    """One turn of a conversation.

    Args:
        role: Who speaks.
        content: What is said; empty beside tool calls.
        tool_calls: Calls of an assistant turn: ``{"name": str, "arguments": dict | str}`` each.
        weight: 0 leaves an assistant turn out of the loss, 1 keeps it (OpenAI's per-message weight).
    """

    role: Role
    content: str
    tool_calls: tuple[Mapping[str, Any], ...] = ()
    weight: Literal[0, 1] = 1


@dataclass(frozen=True, slots=True)
class Sample:
    """One row: a conversation or a text, with the place it came from.

    Args:
        source: Path of the file, as the recipe names it.
        row: Row number in that file, from 1.
        messages: The conversation; empty for raw text.
        text: Raw text; None for a conversation.
        tools: JSON-schema descriptions of the tools that the assistant may call.
        group: Rows with the same group stay on one side of a split.
    """

    source: str
    row: int
    messages: tuple[Message, ...] = ()
    text: str | None = None
    tools: tuple[Mapping[str, Any], ...] = field(default=())
    group: str | None = None

    @property
    def place(self) -> str:
        """Where the row stands, for messages: ``data/train.json, row 17``."""
        return f"{self.source}, row {self.row}"
