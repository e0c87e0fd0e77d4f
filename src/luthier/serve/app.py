"""The HTTP server: OpenAI's chat completions and completions over one model."""

from __future__ import annotations

import time
import uuid
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import aclosing
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse

from luthier import __version__
from luthier.core.errors import TemplateError
from luthier.models.chat_model import ChatModel
from luthier.models.generate import Sampling
from luthier.serve.api_key import KeyCheck
from luthier.serve.engine import Engine
from luthier.serve.sse import started_stream
from luthier.serve.wire import (
    ChatRequest,
    CompletionRequest,
    RequestError,
    failure,
    invalid_request,
    tool_calls_json,
    usage_json,
)


def make_app(
    engine: Engine, *, name: str, api_key: str | None = None, others: Mapping[str, ChatModel] | None = None
) -> FastAPI:
    """Return the server's application.

    Args:
        engine: Answers.
        name: Of the model, in requests and responses.
        api_key: Callers must send it as a bearer token; None lets everybody in.
        others: Models that share the engine with the first, by the names that requests call them by.
    """
    app = FastAPI(title="Luthier", version=__version__)
    servers = {name: _Server(engine, name, engine.model)}
    servers |= {key: _Server(engine, key, model) for key, model in (others or {}).items()}

    if api_key:
        app.add_middleware(KeyCheck, api_key=api_key)

    @app.exception_handler(RequestError)
    async def on_request_error(request: Request, error: RequestError) -> JSONResponse:
        return _answer_error(error)

    @app.exception_handler(RequestValidationError)
    async def on_invalid(request: Request, error: RequestValidationError) -> JSONResponse:
        return _answer_error(invalid_request(error.errors()))

    @app.exception_handler(Exception)
    async def on_bug(request: Request, error: Exception) -> JSONResponse:
        return _answer_error(failure(error))

    @app.exception_handler(404)
    @app.exception_handler(405)
    async def on_unknown(request: Request, error: Any) -> JSONResponse:
        text = f"{request.method} {request.url.path} is not served"
        return _answer_error(RequestError(text, status=error.status_code))

    @app.get("/health")
    async def health() -> dict[str, Any]:
        load = engine.load
        return {"status": "ok", "model": name, "waiting": load.waiting, "running": load.running}

    @app.get("/v1/models")
    async def models() -> dict[str, Any]:
        return {"object": "list", "data": [server.card() for server in servers.values()]}

    @app.get("/v1/models/{model:path}")
    async def model(model: str) -> dict[str, Any]:
        return _called(servers, model).card()

    @app.post("/v1/chat/completions", response_model=None)
    async def chat(body: ChatRequest, request: Request) -> Any:
        return await _called(servers, body.model).chat(body, request)

    @app.post("/v1/completions", response_model=None)
    async def completions(body: CompletionRequest, request: Request) -> Any:
        return await _called(servers, body.model).complete(body, request)

    return app


def _answer_error(error: RequestError) -> JSONResponse:
    return JSONResponse(error.body, status_code=error.status)


def _called(servers: Mapping[str, _Server], name: str) -> _Server:
    """Return the model of that name, or refuse the request."""
    if name not in servers:
        known = ", ".join(f"`{key}`" for key in servers)
        raise RequestError(
            f"The model `{name}` does not exist; this server has {known}",
            status=404,
            param="model",
            code="model_not_found",
        )
    return servers[name]


class _Server:
    """Turns requests into prompts, and pieces into responses."""

    def __init__(self, engine: Engine, name: str, model: ChatModel) -> None:
        self._engine = engine
        self._model = model
        self._name = name
        self._created = int(time.time())

    def card(self) -> dict[str, Any]:
        """Return the model as OpenAI lists it."""
        return {"id": self._name, "object": "model", "created": self._created, "owned_by": "luthier"}

    async def chat(self, body: ChatRequest, request: Request) -> Any:
        """Answer a conversation."""
        try:
            prompt = self._model.prompt_ids(body.conversation(), body.offered_tools())
        except TemplateError as error:
            raise RequestError(error.problem, param="messages") from error
        asked = body.max_completion_tokens or body.max_tokens
        max_tokens = self._engine.check_length(prompt, asked, param="messages")
        sampling = body.sampling(max_tokens)
        head = self._head("chatcmpl", "chat.completion")
        if body.stream:
            return await started_stream(self._stream_chat(body, prompt, sampling, head))
        text, count, reason = await self._whole(request, prompt, sampling)
        message, reason = self._message(body, text, reason, head["id"])
        choice = {"index": 0, "message": message, "logprobs": None, "finish_reason": reason}
        return {**head, "choices": [choice], "usage": usage_json(len(prompt), count)}

    async def complete(self, body: CompletionRequest, request: Request) -> Any:
        """Continue texts."""
        prompts = [self._model.text_ids(p) if isinstance(p, str) else p for p in body.prompts()]
        for prompt in prompts:
            self._check_tokens(prompt)
        head = self._head("cmpl", "text_completion")
        limits = [
            self._engine.check_length(prompt, body.max_tokens or 16, param="prompt") for prompt in prompts
        ]
        if body.stream:
            if len(prompts) > 1:
                raise RequestError("a stream takes one prompt", param="prompt")
            return await started_stream(self._stream_text(body, prompts[0], body.sampling(limits[0]), head))
        choices, generated = [], 0
        for index, (prompt, limit) in enumerate(zip(prompts, limits, strict=True)):
            text, count, reason = await self._whole(request, prompt, body.sampling(limit))
            choices.append({"index": index, "text": text, "logprobs": None, "finish_reason": reason})
            generated += count
        return {**head, "choices": choices, "usage": usage_json(sum(map(len, prompts)), generated)}

    def _check_tokens(self, prompt: Sequence[int]) -> None:
        if not prompt:
            raise RequestError("the prompt has no token", param="prompt")
        limit = self._model.vocabulary_size
        if foreign := [token for token in prompt if not 0 <= token < limit]:
            problem = f"prompt: {foreign[0]} is no token of this model; they go from 0 to {limit - 1}"
            raise RequestError(problem, param="prompt")

    def _head(self, prefix: str, kind: str) -> dict[str, Any]:
        return {
            "id": f"{prefix}-{uuid.uuid4().hex[:24]}",
            "object": kind,
            "created": int(time.time()),
            "model": self._name,
        }

    async def _whole(self, request: Request, prompt: list[int], sampling: Sampling) -> tuple[str, int, str]:
        parts, count, reason = [], 0, "length"
        async with aclosing(self._engine.stream(prompt, sampling, model=self._model)) as pieces:
            async for piece in pieces:
                parts.append(piece.text)
                count, reason = piece.num_tokens, piece.finish_reason or reason
                if await request.is_disconnected():
                    raise RequestError("the caller has left", status=499)
        return "".join(parts), count, reason

    def _message(
        self, body: ChatRequest, text: str, reason: str, request_id: str
    ) -> tuple[dict[str, Any], str]:
        """Return the assistant's message and the finish reason; calls are parsed where tools were offered."""
        template = self._model.template
        calls: list[dict[str, Any]] = []
        if body.offered_tools() and template is not None:
            text, calls = template.parse_tool_calls(text)
        if not calls:
            return {"role": "assistant", "content": text, "refusal": None}, reason
        message = {"role": "assistant", "content": text or None, "refusal": None}
        return {**message, "tool_calls": tool_calls_json(calls, request_id[-8:])}, "tool_calls"

    async def _stream_chat(
        self, body: ChatRequest, prompt: list[int], sampling: Sampling, head: Mapping[str, Any]
    ) -> AsyncGenerator[dict[str, Any]]:
        head = {**head, "object": "chat.completion.chunk"}

        def chunk(delta: Mapping[str, Any], reason: str | None = None) -> dict[str, Any]:
            return {**head, "choices": [{"index": 0, "delta": delta, "finish_reason": reason}]}

        # With tools the text may turn out to be a call: it is sent once that is known.
        holds_back = bool(body.offered_tools())
        parts, count, reason = [], 0, "length"
        is_first = True
        async with aclosing(self._engine.stream(prompt, sampling, model=self._model)) as pieces:
            async for piece in pieces:
                if is_first:
                    yield chunk({"role": "assistant", "content": ""})
                    is_first = False
                parts.append(piece.text)
                count, reason = piece.num_tokens, piece.finish_reason or reason
                if piece.text and not holds_back:
                    yield chunk({"content": piece.text})
        if holds_back:
            message, reason = self._message(body, "".join(parts), reason, str(head["id"]))
            calls = [{"index": n, **call} for n, call in enumerate(message.get("tool_calls", ()))]
            yield chunk({"content": message["content"], **({"tool_calls": calls} if calls else {})})
        yield chunk({}, reason)
        if body.includes_usage:
            yield {**head, "choices": [], "usage": usage_json(len(prompt), count)}

    async def _stream_text(
        self, body: CompletionRequest, prompt: list[int], sampling: Sampling, head: Mapping[str, Any]
    ) -> AsyncGenerator[dict[str, Any]]:
        count = 0
        async with aclosing(self._engine.stream(prompt, sampling, model=self._model)) as pieces:
            async for piece in pieces:
                count = piece.num_tokens
                choice = {
                    "index": 0,
                    "text": piece.text,
                    "logprobs": None,
                    "finish_reason": piece.finish_reason,
                }
                yield {**head, "choices": [choice]}
        if body.includes_usage:
            yield {**head, "choices": [], "usage": usage_json(len(prompt), count)}
