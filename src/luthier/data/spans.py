"""Where the assistant's turns stand in a rendered conversation."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from luthier.data.render import ConversationError, Renderer
from luthier.data.sample import Message
from luthier.data.special_text import SpecialText


@dataclass(frozen=True)
class Span:
    """An assistant turn in the rendered text, from its first character to the end of its end token.

    Args:
        message: Index of the turn in the conversation.
        start: First character; what stands before it is the prompt.
        end: Character after the last.
        is_ended: Whether a special token ends it.
        fault: Why the turn cannot be masked safely; such a turn has no place in the text.
    """

    message: int
    start: int = 0
    end: int = 0
    is_ended: bool = False
    fault: ConversationError | None = None


def find_spans(
    renderer: Renderer,
    text: str,
    messages: Sequence[Message],
    tools: Sequence[Mapping[str, Any]],
    *,
    ask: bool,
    special: SpecialText,
    end_text: str | None,
) -> list[Span]:
    """Return the assistant turns of a conversation.

    Args:
        renderer: Has rendered ``text``.
        text: The rendered conversation.
        messages: Its turns.
        tools: Its tools.
        ask: Whether ``text`` ends with the prompt for another answer.
        special: Tells what is a special token.
        end_text: The token that is known to end an answer.
    """
    spans = []
    position = 0
    for index, message in enumerate(messages):
        if message.role != "assistant":
            continue
        is_last = index == len(messages) - 1 and not ask
        try:
            prompt = renderer.render(messages[:index], tools, ask=True)
            upto = text if is_last else renderer.render(messages[: index + 1], tools, ask=False)
            start, end, is_ended = _locate(text, prompt, upto, special, end_text)
            if start < position:
                raise ConversationError("answer_not_separable", "the template renders turns into each other")
            _check_answer(message, text[start:end], index)
        except ConversationError as fault:
            spans.append(Span(index, fault=fault))
            continue
        spans.append(Span(index, start, end, is_ended))
        position = end
    return spans


def _locate(
    text: str, prompt: str, upto: str, special: SpecialText, end_text: str | None
) -> tuple[int, int, bool]:
    """Return where the answer between ``prompt`` and ``upto`` stands in ``text``, and whether it is ended."""
    if not upto.startswith(prompt):
        raise ConversationError(
            "answer_not_separable",
            "the template does not begin an answer with its own generation prompt, so no mask is safe",
            cure="set data.chat_template: chatml",
        )
    turn, is_ended = _without_tail(upto[len(prompt) :], special, end_text)
    if not text.startswith(prompt + turn):
        raise ConversationError(
            "history_rewritten",
            "the template renders an earlier answer differently once later turns follow, so no mask is safe",
            cure="set objective.loss_on: last_turn, or data.chat_template: chatml",
        )
    return len(prompt), len(prompt) + len(turn), is_ended


def _without_tail(turn: str, special: SpecialText, end_text: str | None) -> tuple[str, bool]:
    """Cut what follows an answer's end token: line breaks, and marks that end the whole text."""
    turn = turn.rstrip()
    run = special.tail(turn)
    if not run:
        return turn, False
    ends = [end for token, end in run if token == end_text] if end_text else [end for _, end in run]
    return turn[: ends[0] if ends else run[-1][1]], True


def _check_answer(message: Message, turn: str, index: int) -> None:
    """Refuse a turn whose rendering lost what was said or called; reasoning may be set apart by a template."""
    is_plain = not re.search(r"</?think", message.content)
    names = [call["name"] for call in message.tool_calls]
    if (is_plain and message.content.strip() not in turn) or any(name not in turn for name in names):
        raise ConversationError(
            "content_dropped", f"the template leaves out part of the answer in turn {index + 1}"
        )
