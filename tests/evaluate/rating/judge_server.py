"""A judge on loopback that says what a script tells it to, and ends by itself."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

Script = Callable[[str], tuple[int, str]]
"""From the question to a status and a reply."""


@contextmanager
def judge_server(script: Script) -> Iterator[tuple[str, list[str]]]:
    """Yield the address of a server, and the questions that it was asked so far."""
    asked: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            question = body["messages"][-1]["content"]
            asked.append(question)
            status, reply = script(question)
            choice = {"message": {"content": reply}, "finish_reason": "stop"}
            data = json.dumps({"choices": [choice]}).encode()
            self.send_response(status)
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        def log_message(self, *_: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}", asked
    finally:
        server.shutdown()
        server.server_close()


def is_tuned_first(question: str) -> bool:
    """Tell the order of a question whose answers are those of `sheets.sheet_in`."""
    return question.index("tuned ") < question.index("base ")


def prefers_tuned(question: str) -> tuple[int, str]:
    """Prefer the tuned model's answer wherever it stands."""
    return 200, f"Reasons.\nVERDICT: {1 if is_tuned_first(question) else 2}"
