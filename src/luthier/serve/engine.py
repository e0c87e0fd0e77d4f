"""The engine: one model, one request at a time, the others wait in order."""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import AsyncGenerator, Sequence
from dataclasses import dataclass

from luthier.models.chat_model import ChatModel, Piece
from luthier.models.generate import Sampling
from luthier.serve.wire import RequestError, failure

DEFAULT_MAX_TOKENS = 512
_log = logging.getLogger(__name__)


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

    def check_length(self, prompt: Sequence[int], max_tokens: int | None, *, param: str) -> int:
        """Return how many tokens may be generated.

        Args:
            prompt: Its tokens.
            max_tokens: What the request asks for.
            param: The request's parameter that holds the prompt.

        Raises:
            RequestError: The prompt, or the prompt and what is asked for, exceed the model's positions.
        """
        limit = self.model.max_positions
        if len(prompt) + (max_tokens or 1) > limit:
            asked = f" and {max_tokens} in the completion" if max_tokens else ""
            raise RequestError(
                f"This model's maximum context length is {limit} tokens. However, you requested "
                f"{len(prompt)} in the {param}{asked}. Please reduce them.",
                param=param,
                code="context_length_exceeded",
            )
        return max_tokens or min(DEFAULT_MAX_TOKENS, limit - len(prompt))

    async def stream(
        self, prompt: Sequence[int], sampling: Sampling, *, model: ChatModel | None = None
    ) -> AsyncGenerator[Piece]:
        """Yield the answer; the model stops when the caller closes this generator.

        Args:
            prompt: Its tokens.
            sampling: How tokens are chosen.
            model: Which one answers, where several share the engine.

        Raises:
            RequestError: Too many requests wait.
        """
        must_wait = self._turn.locked() or self.load.waiting > 0
        if must_wait and self.load.waiting >= self._max_waiting:
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
        pieces: asyncio.Queue[Piece | RequestError] = asyncio.Queue()
        is_cancelled = threading.Event()
        # Not a task: the server cancels those of a caller who leaves, while the thread still has the model.
        worker = asyncio.get_running_loop().run_in_executor(
            None,
            self._decode,
            model or self.model,
            prompt,
            sampling,
            pieces,
            is_cancelled,
            asyncio.get_running_loop(),
        )
        worker.add_done_callback(self._end_turn)
        try:
            while True:
                piece = await pieces.get()
                if isinstance(piece, RequestError):
                    raise piece
                yield piece
                if piece.finish_reason:
                    await asyncio.wait([worker])
                    return
        finally:
            is_cancelled.set()

    def _decode(
        self,
        model: ChatModel,
        prompt: Sequence[int],
        sampling: Sampling,
        pieces: asyncio.Queue[Piece | RequestError],
        is_cancelled: threading.Event,
        loop: asyncio.AbstractEventLoop,
    ) -> None:
        """Decode in a thread, so that the server answers other requests meanwhile."""
        try:
            for piece in model.stream(prompt, sampling):
                if is_cancelled.is_set():
                    return
                loop.call_soon_threadsafe(pieces.put_nowait, piece)
        except Exception as error:  # handed to the request, which reports it
            # As a RequestError: what the server takes for a bug of its own closes the connection, and a client
            # that is about to use it again sees no more than that.
            _log.exception("the model failed")
            loop.call_soon_threadsafe(pieces.put_nowait, failure(error))

    def _end_turn(self, worker: asyncio.Future[None]) -> None:
        """Give the model to the next request: its thread has let go of it."""
        self.load.running = 0
        self._turn.release()
