"""The engine: one model, one request at a time, the others wait in order."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from typing import Any

from luthier.models.chat_model import ChatModel, Piece
from luthier.models.generate import Sampling
from luthier.serve.wire import RequestError

DEFAULT_MAX_TOKENS = 512


@dataclass
class Load:
    """What the engine is doing: requests that wait, and whether one is answered."""

    waiting: int = 0
    running: int = 0


class Engine:
    """Answers prompts one after the other, piece by piece.

    Args:
        model: Answers.
        max_waiting: Requests that may wait; further ones are refused with status 429.
    """

    def __init__(self, model: ChatModel, *, max_waiting: int) -> None:
        self.model = model
        self.load = Load()
        self._max_waiting = max_waiting
        self._turn = asyncio.Lock()

    def check_length(self, prompt: Sequence[int], max_tokens: int | None) -> int:
        """Return how many tokens may be generated.

        Raises:
            RequestError: The prompt, or the prompt and what is asked for, exceed the model's positions.
        """
        limit = self.model.max_positions
        if len(prompt) + (max_tokens or 1) > limit:
            asked = f" and {max_tokens} in the completion" if max_tokens else ""
            raise RequestError(
                f"This model's maximum context length is {limit} tokens. However, you requested "
                f"{len(prompt)} in the messages{asked}. Please reduce them.",
                param="messages",
                code="context_length_exceeded",
            )
        return max_tokens or min(DEFAULT_MAX_TOKENS, limit - len(prompt))

    async def stream(self, prompt: Sequence[int], sampling: Sampling) -> AsyncIterator[Piece]:
        """Yield the answer; the model stops when the caller stops listening.

        Raises:
            RequestError: Too many requests wait.
        """
        if self.load.waiting >= self._max_waiting:
            raise RequestError(
                f"{self.load.waiting} requests are waiting; try again later",
                status=429,
                code="rate_limit_exceeded",
            )
        self.load.waiting += 1
        try:
            await self._turn.acquire()
        finally:
            self.load.waiting -= 1
        self.load.running = 1
        try:
            async for piece in self._decode(prompt, sampling):
                yield piece
        finally:
            self.load.running = 0
            self._turn.release()

    async def _decode(self, prompt: Sequence[int], sampling: Sampling) -> AsyncIterator[Piece]:
        """Decode in a thread, so that the server answers other requests meanwhile."""
        loop = asyncio.get_running_loop()
        pieces: asyncio.Queue[Any] = asyncio.Queue()
        is_cancelled = threading.Event()

        def work() -> None:
            try:
                for piece in self.model.stream(prompt, sampling):
                    if is_cancelled.is_set():
                        return
                    loop.call_soon_threadsafe(pieces.put_nowait, piece)
            except Exception as error:  # handed to the request, which reports it
                loop.call_soon_threadsafe(pieces.put_nowait, error)

        worker = asyncio.ensure_future(asyncio.to_thread(work))
        try:
            while True:
                piece = await pieces.get()
                if isinstance(piece, Exception):
                    raise piece
                yield piece
                if piece.finish_reason:
                    return
        finally:
            is_cancelled.set()
            # The model belongs to the next request only once this thread has let go of it.
            await asyncio.shield(worker)
