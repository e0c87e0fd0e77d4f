"""Tool calls as text, for chat templates that know nothing of tools.

The format is the one that Hermes and Qwen models are trained on: descriptions in the system turn
between ``<tools>`` marks, calls as ``<tool_call>{"name": …, "arguments": {…}}</tool_call>``, results
as ``<tool_response>…</tool_response>`` in a user turn. Training and serving share this code.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from luthier.data.sample import Message

Calls = list[dict[str, Any]]

_BEGIN = re.compile(r"<tool_call>\s*")
_END = re.compile(r"\s*</tool_call>")
_MARK = re.compile(r"^\s*(\[TOOL_CALLS\]|<\|python_tag\|>)")

# What Python's reader raises: too deep nesting and too long numbers are no JSONDecodeError.
_NOT_JSON = (ValueError, RecursionError)

_INSTRUCTIONS = """You may call tools. They are described here in JSON:
<tools>
{tools}
</tools>
To call one, answer with its name and arguments in JSON:
<tool_call>
{{"name": "the tool's name", "arguments": {{"argument": "value"}}}}
</tool_call>"""


def as_text(messages: Sequence[Message], tools: Sequence[Mapping[str, Any]]) -> list[Message]:
    """Return the conversation with tools, calls and results written into plain turns.

    Results that follow each other stand in one user turn, since many templates refuse two in a row.
    """
    turns: list[Message] = []
    previous = None
    for message in messages:
        turn = _turn_as_text(message)
        if message.role == "tool" == previous:
            turns[-1] = Message("user", f"{turns[-1].content}\n{turn.content}")
        else:
            turns.append(turn)
        previous = message.role
    if not tools:
        return turns
    listed = "\n".join(json.dumps(dict(tool), ensure_ascii=False) for tool in tools)
    instructions = _INSTRUCTIONS.format(tools=listed)
    if turns and turns[0].role == "system":
        return [Message("system", f"{turns[0].content}\n\n{instructions}"), *turns[1:]]
    return [Message("system", instructions), *turns]


def _turn_as_text(message: Message) -> Message:
    if message.role == "tool":
        return Message("user", f"<tool_response>\n{message.content}\n</tool_response>")
    if not message.tool_calls:
        return message
    calls = "\n".join(f"<tool_call>\n{call_json(call)}\n</tool_call>" for call in message.tool_calls)
    text = f"{message.content}\n{calls}" if message.content else calls
    return Message(message.role, text, weight=message.weight)


def call_json(call: Mapping[str, Any]) -> str:
    """Return a call as one line of JSON."""
    arguments = as_object(call["arguments"])
    return json.dumps({"name": call["name"], "arguments": arguments}, ensure_ascii=False)


def as_object(arguments: Any) -> Any:
    """Return arguments as an object where they are JSON text, as templates expect them."""
    if not isinstance(arguments, str):
        return arguments
    try:
        return json.loads(arguments)
    except _NOT_JSON:
        return arguments


def parse_marked_calls(text: str) -> tuple[str, Calls]:
    """Split an answer into what is said and the calls between ``<tool_call>`` marks.

    A block that is not a call in valid JSON stays in the text.
    """
    calls: Calls = []
    said = []
    position = 0
    while begin := _BEGIN.search(text, position):
        said.append(text[position : begin.start()])
        found, end = _marked_call(text, begin.end())
        if found is None:
            said.append(text[begin.start() : end])
        else:
            calls.append(found)
        position = end
    said.append(text[position:])
    return ("".join(said).strip() if calls else text), calls


def _marked_call(text: str, start: int) -> tuple[dict[str, Any] | None, int]:
    """Return the call whose JSON begins at ``start`` and where its block ends; None: not a call."""
    try:
        value, end = json.JSONDecoder().raw_decode(text, start)
    except _NOT_JSON:
        return None, start
    close = _END.match(text, end)
    if close is None or not isinstance(value, dict):
        return None, start
    return _call_of({"arguments": {}, **value}), close.end()


def parse_json_calls(text: str) -> tuple[str, Calls]:
    """Read an answer that is nothing but one call or a list of calls in JSON, after a mark or none."""
    try:
        value = json.loads(_MARK.sub("", text, count=1))
    except _NOT_JSON:
        return text, []
    calls = [_call_of(entry) for entry in (value if isinstance(value, list) else [value])]
    if not calls or any(call is None for call in calls):
        return text, []
    return "", [call for call in calls if call is not None]


PARSERS: tuple[Callable[[str], tuple[str, Calls]], ...] = (parse_marked_calls, parse_json_calls)
"""Formats of calls that can be read; a template uses the first that inverts what it writes."""


def _call_of(value: Any) -> dict[str, Any] | None:
    """Return the call that a JSON value is, or None."""
    if not isinstance(value, dict) or not isinstance(value.get("name"), str):
        return None
    for key in ("arguments", "parameters"):
        if key in value:
            return {"name": value["name"], "arguments": value[key]}
    return None
