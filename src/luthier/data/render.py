"""Render conversations with a Jinja chat template, and find out what it can render."""

from __future__ import annotations

import os.path
from collections.abc import Mapping, Sequence
from importlib import resources
from pathlib import Path
from typing import Any

from jinja2.exceptions import TemplateError as JinjaError

from luthier.core.errors import TemplateError
from luthier.data.sample import Message
from luthier.data.tools import as_object, as_text

_CHATML_END = "<|im_end|>"


class ConversationError(TemplateError):
    """A conversation that the template cannot render or mask safely.

    Args:
        reason: Short code that is counted.
        problem: A sentence for a person.
        cure: What to do about it.
    """

    def __init__(self, reason: str, problem: str, *, cure: str | None = None) -> None:
        self.reason = reason
        super().__init__(problem, cure=cure)


class Renderer:
    """Renders conversations; tools become text where the template knows none.

    Args:
        tokenizer: With the chat template in use.

    Raises:
        TemplateError: The template does not even render a question, or asks for an answer after an answer.
    """

    def __init__(self, tokenizer: Any) -> None:
        self._tokenizer = tokenizer
        self.knows_tools = True
        try:
            self.render([Message("user", "question")], (), ask=True)
        except ConversationError as error:
            raise TemplateError(error.problem, cure="set data.chat_template: chatml, or mend it") from error
        self._check_asks_on_request()
        self.knows_tools = self._renders_tools()

    def render(self, messages: Sequence[Message], tools: Sequence[Mapping[str, Any]], *, ask: bool) -> str:
        """Return the text of a conversation.

        Args:
            messages: The turns.
            tools: Descriptions of tools.
            ask: End with the prompt for an answer.

        Raises:
            ConversationError: The template refuses these turns.
        """
        turns = list(messages) if self.knows_tools else as_text(messages, tools)
        try:
            text: str = self._tokenizer.apply_chat_template(
                _as_dicts(turns),
                tools=[_as_tool(t) for t in tools] if tools and self.knows_tools else None,
                tokenize=False,
                add_generation_prompt=ask,
            )
        except (JinjaError, TypeError, KeyError, ValueError, AttributeError, IndexError) as error:
            raise ConversationError(
                "template_refuses", f"the chat template refuses this conversation: {error}"
            ) from error
        return text

    def _check_asks_on_request(self) -> None:
        """Refuse a template that always ends with the generation prompt: it would be trained as part of the answer."""
        question, answer = Message("user", "question"), Message("assistant", "answer")
        asked = self.render([question], (), ask=True)
        try:
            answered = self.render([question, answer], (), ask=False)
            continued = self.render([question, answer, question], (), ask=False)
        except ConversationError:
            return
        end_of_both = os.path.commonprefix([asked[::-1], answered[::-1]])
        if end_of_both.strip() and not continued.startswith(answered.rstrip()):
            if asked != self.render([question], (), ask=False):
                return  # it asks on request; only its last turn ends in another way
            raise TemplateError(
                "the chat template asks for the next answer even after an answer",
                cure="put {% if add_generation_prompt %} around its last part, or set data.chat_template: chatml",
            )

    def _renders_tools(self) -> bool:
        """Whether the template itself writes tools, calls and results."""
        call = {"name": "probe_name", "arguments": {"probe_argument": "probe_value"}}
        turns = [
            Message("user", "probe question"),
            Message("assistant", "", tool_calls=(call,)),
            Message("tool", "probe_result"),
            Message("assistant", "probe answer"),
        ]
        tool = {"name": "probe_tool", "description": "probe_description", "parameters": {"type": "object"}}
        try:
            text = self.render(turns, [tool], ask=False)
        except ConversationError:
            return False
        return all(
            f"probe_{word}" in text for word in ("name", "argument", "value", "result", "tool", "description")
        )


def template_text(tokenizer: Any, template: str | None, folder: Path | None) -> tuple[str, tuple[str, ...]]:
    """Return the Jinja text that is asked for, and what a user should know about the choice.

    Raises:
        TemplateError: There is none, or its file cannot be read.
    """
    if template == "chatml":
        return _chatml(tokenizer)
    if template is not None:
        path = (folder or Path.cwd()) / template
        try:
            return path.read_text(encoding="utf-8"), ()
        except (OSError, UnicodeDecodeError) as error:
            raise TemplateError(
                f"{path} cannot be read: {error}",
                where="data.chat_template",
                cure="name a Jinja file, or chatml",
            ) from error
    own = tokenizer.chat_template
    if isinstance(own, dict) and own:
        name = "default" if "default" in own else next(iter(own))
        notice = f"of the tokenizer's templates ({', '.join(own)}) the one named {name} is used and saved"
        return str(own[name]), (notice,)
    if not own:
        raise TemplateError(
            "the tokenizer has no chat template, so conversations cannot be rendered",
            cure="set data.chat_template: chatml",
        )
    return str(own), ()


def _chatml(tokenizer: Any) -> tuple[str, tuple[str, ...]]:
    """Return the shipped ChatML; a vocabulary without its end mark ends turns with its own end token."""
    text = resources.files("luthier.data").joinpath("chatml.jinja").read_text(encoding="utf-8")
    if _CHATML_END in tokenizer.get_vocab() or not tokenizer.eos_token:
        return text, ()
    notice = f"the vocabulary has no {_CHATML_END}; turns end with {tokenizer.eos_token} instead"
    return text.replace(f"'{_CHATML_END}'", "eos_token"), (notice,)


def _as_dicts(turns: Sequence[Message]) -> list[dict[str, Any]]:
    """Return the turns as templates expect them: calls are numbered, and each result names its call."""
    entries: list[dict[str, Any]] = []
    pending: list[dict[str, Any]] = []
    number = 0
    for turn in turns:
        entry: dict[str, Any] = {"role": turn.role, "content": turn.content}
        if turn.tool_calls:
            pending = []
            for call in turn.tool_calls:
                function = {"name": call["name"], "arguments": as_object(call["arguments"])}
                # Nine letters or digits: some templates refuse other ids.
                pending.append({"id": f"call{number:05d}", "type": "function", "function": function})
                number += 1
            entry["tool_calls"] = list(pending)
        elif turn.role == "tool" and pending:
            call = pending.pop(0)
            entry |= {"tool_call_id": call["id"], "name": call["function"]["name"]}
        entries.append(entry)
    return entries


def _as_tool(tool: Mapping[str, Any]) -> dict[str, Any]:
    return dict(tool) if "function" in tool else {"type": "function", "function": dict(tool)}
