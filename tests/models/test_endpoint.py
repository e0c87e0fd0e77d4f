"""An endpoint waits for a busy server, and says what is wrong with one that does not answer as it should."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any

import pytest

from luthier.core.errors import ServeError
from luthier.data.sample import Message
from luthier.models.endpoint import Endpoint

GOOD = {
    "choices": [{"message": {"content": "noon"}, "finish_reason": "stop"}],
    "usage": {"prompt_tokens": 7, "completion_tokens": 2},
}


@contextmanager
def _server(replies: list[tuple[int, Any]]) -> Iterator[tuple[str, list[dict[str, Any]]]]:
    """Serve replies one after the other; yield the address and what was asked."""
    asked: list[dict[str, Any]] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            asked.append({**json.loads(body), "key": self.headers.get("Authorization")})
            status, reply = replies[len(asked) - 1]
            data = reply.encode() if isinstance(reply, str) else json.dumps(reply).encode()
            self.send_response(status)
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        def log_message(self, *_: Any) -> None:
            pass

    server = HTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}", asked
    finally:
        server.shutdown()
        server.server_close()


def _ask(url: str, **more: Any) -> Any:
    endpoint = Endpoint(url, "m", "secret", waits_seconds=(0.0, 0.0))
    return endpoint.ask([Message("user", "时间？")], max_new_tokens=5, **more)


def test_answer_usage_and_what_was_sent() -> None:
    with _server([(200, GOOD)]) as (url, asked):
        answer = _ask(url, stop=["."])
    assert (answer.text, answer.finish_reason, answer.prompt_tokens, answer.new_tokens) == (
        "noon",
        "stop",
        7,
        2,
    )
    assert asked[0] == {
        "model": "m",
        "messages": [{"role": "user", "content": "时间？"}],
        "max_tokens": 5,
        "temperature": 0.0,
        "stop": ["."],
        "key": "Bearer secret",
    }


def test_a_busy_server_is_asked_again() -> None:
    with _server([(429, "busy"), (503, "busy"), (200, GOOD)]) as (url, asked):
        assert _ask(url).text == "noon"
    assert len(asked) == 3


@pytest.mark.parametrize(
    ("replies", "told", "attempts"),
    [
        ([(503, "still busy")] * 3, "status 503: still busy", 3),
        ([(400, "too long")], "status 400: too long", 1),
        ([(200, "no json")], "no answer from the server", 1),
        ([(200, {"choices": []})], "did not answer as OpenAI", 1),
    ],
)
def test_refusals(replies: list[tuple[int, Any]], told: str, attempts: int) -> None:
    with _server(replies) as (url, asked), pytest.raises(ServeError, match=told):
        _ask(url)
    assert len(asked) == attempts


def test_a_server_that_counts_nothing() -> None:
    with _server([(200, {"choices": [{"message": {"content": None}}]})]) as (url, _):
        answer = _ask(url)
    assert (answer.text, answer.prompt_tokens) == ("", None)
