"""OpenAI's wire format: requests as they are checked, responses and errors as they are written.

Reference: the OpenAI API, chat completions and completions.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationInfo, field_validator

from luthier.core.errors import ServeError
from luthier.data.sample import Message
from luthier.models.generate import Sampling


class RequestError(ServeError):
    """A request that cannot be answered, in OpenAI's words.

    Args:
        message: For the caller.
        status: HTTP status.
        param: The parameter at fault.
        code: OpenAI's short code.
    """

    def __init__(
        self, message: str, *, status: int = 400, param: str | None = None, code: str | None = None
    ) -> None:
        super().__init__(message)
        self.status = status
        self.body = {
            "error": {
                "message": message,
                "type": "invalid_request_error" if status < 500 else "server_error",
                "param": param,
                "code": code,
            }
        }


def invalid_request(faults: Sequence[Mapping[str, Any]]) -> RequestError:
    """Return the refusal of a body that is not as it should be: its first fault, with the parameter's name.

    Args:
        faults: As pydantic lists them; ``loc`` starts with ``body``.
    """
    fault = faults[0]
    # What follows the name is the kinds that a value was tried as; in broken JSON, a position.
    is_named = len(fault["loc"]) > 1 and fault["type"] != "json_invalid"
    param = str(fault["loc"][1]) if is_named else None
    return RequestError(f"{param or 'body'}: {fault['msg']}", param=param)


def failure(error: Exception) -> RequestError:
    """Return what the caller is told of an error: itself if it is meant for callers, else a server error."""
    if isinstance(error, RequestError):
        return error
    return RequestError(f"the model failed: {error}", status=500)


class _Request(BaseModel):
    """What both kinds of request have; a parameter that would have no effect is refused, never ignored."""

    model_config = ConfigDict(extra="forbid")

    model: str
    max_tokens: int | None = Field(None, ge=1)
    temperature: float | None = Field(None, ge=0.0, le=2.0)
    top_p: float | None = Field(None, gt=0.0, le=1.0)
    seed: int | None = Field(None, ge=-(2**63), lt=2**63)
    stop: str | list[str] | None = None
    stream: bool | None = None
    stream_options: dict[Literal["include_usage"], bool] | None = None
    n: Literal[1] | None = None
    user: str | None = None

    @field_validator("stream_options")
    @classmethod
    def _goes_with_stream(cls, options: Any, info: ValidationInfo) -> Any:
        if options and not info.data.get("stream"):
            raise ValueError("goes with `stream: true` only")
        return options

    def sampling(self, max_tokens: int) -> Sampling:
        """Return how tokens are chosen; OpenAI's default temperature is 1."""
        return Sampling(
            max_new_tokens=max_tokens,
            temperature=1.0 if self.temperature is None else self.temperature,
            top_p=1.0 if self.top_p is None else self.top_p,
            seed=self.seed,
            stop=(self.stop,) if isinstance(self.stop, str) else tuple(self.stop or ()),
        )

    @property
    def includes_usage(self) -> bool:
        """Whether a stream ends with the numbers of tokens."""
        return bool((self.stream_options or {}).get("include_usage"))


class ChatRequest(_Request):
    """POST /v1/chat/completions."""

    messages: list[dict[str, Any]] = Field(min_length=1)
    tools: list[dict[str, Any]] | None = None
    tool_choice: Literal["auto", "none"] | None = None
    max_completion_tokens: int | None = Field(None, ge=1)
    frequency_penalty: Literal[0] | None = None
    presence_penalty: Literal[0] | None = None
    logprobs: Literal[False] | None = None
    response_format: dict[Literal["type"], Literal["text"]] | None = None

    @field_validator("tools")
    @classmethod
    def _has_names(cls, tools: list[dict[str, Any]] | None) -> list[dict[str, Any]] | None:
        for number, tool in enumerate(tools or ()):
            function = tool.get("function", tool)
            if not isinstance(function, dict) or not isinstance(function.get("name"), str):
                raise ValueError(f"tools[{number}] has no function.name")
        return tools

    def conversation(self) -> list[Message]:
        """Return the turns.

        Raises:
            RequestError: A turn is malformed; it is named.
        """
        return [_message(turn, f"messages[{number}]") for number, turn in enumerate(self.messages)]

    def offered_tools(self) -> list[Mapping[str, Any]]:
        """Return the tools that the model may call, as they were trained: the function descriptions."""
        if self.tool_choice == "none":
            return []
        return [tool.get("function", tool) for tool in self.tools or ()]


class CompletionRequest(_Request):
    """POST /v1/completions."""

    prompt: str | list[str] | list[int] | list[list[int]]
    echo: Literal[False] | None = None
    best_of: Literal[1] | None = None
    logprobs: None = None

    def prompts(self) -> list[str | list[int]]:
        """Return the prompts: texts, or token ids.

        Raises:
            RequestError: There is none.
        """
        if isinstance(self.prompt, str):
            return [self.prompt]
        if not self.prompt:
            raise RequestError("prompt is empty", param="prompt")
        if isinstance(self.prompt[0], int):
            return [list(self.prompt)]
        return list(self.prompt)


def _message(turn: Mapping[str, Any], place: str) -> Message:
    role: Any = turn.get("role")
    content = turn.get("content")
    role = "system" if role == "developer" else role
    if role not in ("system", "user", "assistant", "tool"):
        raise RequestError(f"{place}.role is {role!r}; known: system, user, assistant, tool", param=place)
    if isinstance(content, list):
        parts = [p.get("text") if isinstance(p, dict) and p.get("type") == "text" else None for p in content]
        if any(part is None for part in parts):
            raise RequestError(f"{place}.content has a part that is not text", param=f"{place}.content")
        content = "".join(str(part) for part in parts)
    listed = turn.get("tool_calls") or []
    if not isinstance(listed, list):
        raise RequestError(f"{place}.tool_calls is not a list", param=f"{place}.tool_calls")
    calls = tuple(_call(call, place) for call in listed)
    if content is None and calls:
        content = ""
    if not isinstance(content, str):
        raise RequestError(f"{place}.content is not a string", param=f"{place}.content")
    return Message(role, content, tool_calls=calls)


def _call(call: Any, place: str) -> dict[str, Any]:
    function = call.get("function") if isinstance(call, Mapping) else None
    if not isinstance(function, Mapping) or not isinstance(function.get("name"), str):
        raise RequestError(
            f"{place}.tool_calls holds a call without function.name", param=f"{place}.tool_calls"
        )
    arguments = function.get("arguments") or "{}"
    try:
        parsed = json.loads(arguments) if isinstance(arguments, str) else arguments
    except json.JSONDecodeError as error:
        raise RequestError(
            f"{place}.tool_calls: arguments are not JSON", param=f"{place}.tool_calls"
        ) from error
    return {"name": function["name"], "arguments": parsed}


def tool_calls_json(calls: Sequence[Mapping[str, Any]], request_id: str) -> list[dict[str, Any]]:
    """Return calls as OpenAI writes them: arguments are JSON text."""
    return [
        {
            "id": f"call_{request_id}_{number}",
            "type": "function",
            "function": {
                "name": call["name"],
                "arguments": json.dumps(call["arguments"], ensure_ascii=False),
            },
        }
        for number, call in enumerate(calls)
    ]


def usage_json(prompt_tokens: int, completion_tokens: int) -> dict[str, int]:
    """Return the numbers of tokens."""
    return {
        "prompt_tokens": prompt_tokens,
        "completion_tokens": completion_tokens,
        "total_tokens": prompt_tokens + completion_tokens,
    }
