"""Tool calls as text, for chat templates that know nothing of tools.

The format is the one that Hermes and Qwen models are trained on: descriptions in the system turn
between ``<tools>`` marks, calls as ``<tool_call>{"name": …, "arguments": {…}}</tool_call>``, results
as ``<tool_response>…</tool_response>`` in a user turn. Training and serving share this code.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from typing import Any

from luthier.data.sample import Message

_CALL = re.compile(r"<tool_call>\s*(\{.*?\})\s*</tool_call>", re.DOTALL)

_INSTRUCTIONS = """You may call tools. They are described here in JSON:
<tools>
{tools}
</tools>
To call one, answer with its name and arguments in JSON:
<tool_call>
{{"name": "the tool's name", "arguments": {{"argument": "value"}}}}
</tool_call>"""


def as_text(messages: Sequence[Message], tools: Sequence[Mapping[str, Any]]) -> list[Message]:
    """Return the conversation with tools, calls and results written into plain turns."""
    turns = [_turn_as_text(message) for message in messages]
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
    return json.dumps({"name": call["name"], "arguments": call["arguments"]}, ensure_ascii=False)


def parse_calls(text: str) -> tuple[str, list[dict[str, Any]]]:
    """Split an answer into what is said and the calls it makes.

    A block that is not a call in valid JSON stays in the text.
    """
    calls: list[dict[str, Any]] = []

    def take(match: re.Match[str]) -> str:
        try:
            call = json.loads(match.group(1))
        except json.JSONDecodeError:
            return match.group(0)
        if not isinstance(call, dict) or not isinstance(call.get("name"), str):
            return match.group(0)
        calls.append({"name": call["name"], "arguments": call.get("arguments", {})})
        return ""

    rest = _CALL.sub(take, text)
    return (rest.strip() if calls else text), calls
