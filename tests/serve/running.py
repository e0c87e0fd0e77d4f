"""A real server in a thread of the test process, on a free loopback port, ended by the test."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import uvicorn
from openai import OpenAI

from luthier.models.chat_model import ChatModel
from luthier.serve.app import make_app
from luthier.serve.engine import Engine
from luthier.serve.server import bind


@dataclass(frozen=True)
class Running:
    """The server and how to reach it."""

    url: str
    engine: Engine
    model: ChatModel

    def client(self, **settings: Any) -> OpenAI:
        """Return OpenAI's client; it does not try again, so that every refusal is seen."""
        return OpenAI(**{"base_url": f"{self.url}/v1", "api_key": "none", "max_retries": 0, **settings})


@contextmanager
def running_server(
    model: ChatModel,
    *,
    max_waiting: int = 64,
    api_key: str | None = None,
    others: Mapping[str, ChatModel] | None = None,
) -> Iterator[Running]:
    """Serve ``model`` as ``tiny``, and others by their names, while the block runs."""
    engine = Engine(model, max_waiting=max_waiting)
    listener = bind("127.0.0.1", 0)
    app = make_app(engine, name="tiny", api_key=api_key, others=others)
    server = uvicorn.Server(uvicorn.Config(app, log_level="critical", timeout_graceful_shutdown=2))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, daemon=True)
    thread.start()
    try:
        yield Running(f"http://127.0.0.1:{listener.getsockname()[1]}", engine, model)
    finally:
        server.should_exit = True
        thread.join(timeout=20)
        assert not thread.is_alive()


def wait_until(is_true: Any, seconds: float = 10.0) -> None:
    """Wait for a condition, or fail."""
    end = time.monotonic() + seconds
    while not is_true():
        assert time.monotonic() < end, "it did not come true in time"
        time.sleep(0.01)
