"""Endpoint: a chat model behind an OpenAI-compatible server, asked many questions at a time."""

from __future__ import annotations

import json
import time
import urllib.error
import urllib.request
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from luthier.core.errors import ServeError
from luthier.data.sample import Message

_BUSY = (408, 429, 500, 502, 503, 504)
_WAITS_SECONDS = (0.5, 1.0, 2.0, 4.0, 8.0)


@dataclass(frozen=True)
class EndpointAnswer:
    """What a server answered.

    Args:
        text: The answer.
        finish_reason: ``stop`` or ``length``, or what else the server says.
        prompt_tokens: As it counts; None where it does not.
        new_tokens: Of the answer, likewise.
    """

    text: str
    finish_reason: str
    prompt_tokens: int | None
    new_tokens: int | None


@dataclass(frozen=True)
class Endpoint:
    """A model on a server, asked without randomness.

    Args:
        url: Of the server, with or without ``/v1``.
        model: Name of the model there.
        api_key: Where the server asks for one.
        timeout_seconds: For one answer.
        waits_seconds: Between attempts while the server is busy.
    """

    url: str
    model: str
    api_key: str | None = None
    timeout_seconds: float = 300.0
    waits_seconds: tuple[float, ...] = _WAITS_SECONDS

    @property
    def address(self) -> str:
        """Where questions go."""
        return f"{self.url.rstrip('/').removesuffix('/v1')}/v1/chat/completions"

    def ask(
        self, messages: Sequence[Message], *, max_new_tokens: int, stop: Sequence[str] = ()
    ) -> EndpointAnswer:
        """Return the answer to a conversation.

        Raises:
            ServeError: The server cannot be reached, refuses, stays busy, or does not answer as OpenAI's does.
        """
        body: dict[str, Any] = {
            "model": self.model,
            "messages": [{"role": turn.role, "content": turn.content} for turn in messages],
            "max_tokens": max_new_tokens,
            "temperature": 0.0,
        }
        if stop:
            body["stop"] = list(stop)
        answer = self._sent(body)
        try:
            choice, usage = answer["choices"][0], answer.get("usage") or {}
            return EndpointAnswer(
                str(choice["message"]["content"] or ""),
                str(choice.get("finish_reason") or "stop"),
                usage.get("prompt_tokens"),
                usage.get("completion_tokens"),
            )
        except (KeyError, IndexError, TypeError, AttributeError) as error:
            problem = "did not answer as OpenAI's chat completions do"
            raise ServeError(problem, where=self.address) from error

    def _sent(self, body: dict[str, Any]) -> Any:
        headers = {"Content-Type": "application/json"}
        if self.api_key:
            headers["Authorization"] = f"Bearer {self.api_key}"
        request = urllib.request.Request(self.address, json.dumps(body).encode(), headers)
        for wait in (*self.waits_seconds, None):
            try:
                with urllib.request.urlopen(request, timeout=self.timeout_seconds) as response:
                    return json.load(response)
            except urllib.error.HTTPError as error:
                if error.code not in _BUSY or wait is None:
                    told = error.read(300).decode(errors="replace")
                    problem = f"the server refused with status {error.code}: {told}"
                    raise ServeError(problem, where=self.address) from error
                time.sleep(max(wait, _asked_wait(error)))
            except (OSError, ValueError) as error:
                cure = "start one with `luthier serve`, or name another --server"
                raise ServeError(
                    f"no answer from the server: {error}", where=self.address, cure=cure
                ) from error
        raise AssertionError("the last attempt returns or raises")


def _asked_wait(error: urllib.error.HTTPError) -> float:
    """Return how many seconds the server asks to wait, at most a minute."""
    asked = error.headers.get("Retry-After", "")
    return min(float(asked), 60.0) if asked.replace(".", "", 1).isdecimal() else 0.0
