"""The HTTP server: OpenAI's chat completions and completions over one model."""

from __future__ import annotations

import hmac
import json
import time
import uuid
from collections.abc import AsyncIterator, Mapping
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, Response, StreamingResponse

from luthier import __version__
from luthier.core.errors import TemplateError
from luthier.models.generate import Sampling
from luthier.serve.engine import Engine
from luthier.serve.wire import ChatRequest, CompletionRequest, RequestError, tool_calls_json, usage_json


def make_app(engine: Engine, *, name: str, api_key: str | None = None) -> FastAPI:
    """Return the server's application.

    Args:
        engine: Answers.
        name: Of the model, in requests and responses.
        api_key: Callers must send it as a bearer token; None lets everybody in.
    """
    app = FastAPI(title="Luthier", version=__version__)
    server = _Server(engine, name)

    @app.middleware("http")
    async def check_key(request: Request, call_next: Any) -> Response:
        if api_key and request.url.path.startswith("/v1/"):
            given = request.headers.get("authorization", "").removeprefix("Bearer ")
            if not hmac.compare_digest(given.encode(), api_key.encode()):
                error = RequestError("Incorrect API key provided.", status=401, code="invalid_api_key")
                return _answer_error(error)
        response: Response = await call_next(request)
        return response

    @app.exception_handler(RequestError)
    async def on_request_error(request: Request, error: RequestError) -> JSONResponse:
        return _answer_error(error)

    @app.exception_handler(RequestValidationError)
    async def on_invalid(request: Request, error: RequestValidationError) -> JSONResponse:
        first = error.errors()[0]
        path = ".".join(str(part) for part in first["loc"] if part != "body")
        return _answer_error(RequestError(f"{path or 'body'}: {first['msg']}", param=path or None))

    @app.exception_handler(Exception)
    async def on_bug(request: Request, error: Exception) -> JSONResponse:
        return _answer_error(RequestError(f"the model failed: {error}", status=500))

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
        return {"object": "list", "data": [server.card()]}

    @app.get("/v1/models/{model:path}")
    async def model(model: str) -> dict[str, Any]:
        server.check_name(model)
        return server.card()

    @app.post("/v1/chat/completions", response_model=None)
    async def chat(body: ChatRequest) -> Any:
        return await server.chat(body)

    @app.post("/v1/completions", response_model=None)
    async def completions(body: CompletionRequest) -> Any:
        return await server.complete(body)

    return app


def _answer_error(error: RequestError) -> JSONResponse:
    return JSONResponse(error.body, status_code=error.status)


def _sampling(body: ChatRequest | CompletionRequest, max_tokens: int) -> Sampling:
    return Sampling(
        max_new_tokens=max_tokens,
        temperature=1.0 if body.temperature is None else body.temperature,
        top_p=1.0 if body.top_p is None else body.top_p,
        seed=body.seed,
        stop=body.stop_strings,
    )


class _Server:
    """Turns requests into prompts, and pieces into responses."""

    def __init__(self, engine: Engine, name: str) -> None:
        self._engine = engine
        self._model = engine.model
        self._name = name
        self._created = int(time.time())

    def card(self) -> dict[str, Any]:
        """Return the model as OpenAI lists it."""
        return {"id": self._name, "object": "model", "created": self._created, "owned_by": "luthier"}

    def check_name(self, name: str) -> None:
        """Refuse another model's name."""
        if name != self._name:
            raise RequestError(
                f"The model `{name}` does not exist; this server has `{self._name}`",
                status=404,
                param="model",
                code="model_not_found",
            )

    async def chat(self, body: ChatRequest) -> Any:
        """Answer a conversation."""
        self.check_name(body.model)
        try:
            prompt = self._model.prompt_ids(body.conversation(), body.offered_tools())
        except TemplateError as error:
            raise RequestError(error.problem, param="messages") from error
        max_tokens = self._engine.check_length(prompt, body.max_completion_tokens or body.max_tokens)
        sampling = _sampling(body, max_tokens)
        head = self._head("chatcmpl", "chat.completion")
        if body.stream:
            return await _started(self._stream_chat(body, prompt, sampling, head))
        text, count, reason = await self._whole(prompt, sampling)
        message, reason = self._message(body, text, reason, head["id"])
        choice = {"index": 0, "message": message, "logprobs": None, "finish_reason": reason}
        return {**head, "choices": [choice], "usage": usage_json(len(prompt), count)}

    async def complete(self, body: CompletionRequest) -> Any:
        """Continue texts."""
        self.check_name(body.model)
        prompts = [self._model.text_ids(p) if isinstance(p, str) else p for p in body.prompts()]
        if any(not prompt for prompt in prompts):
            raise RequestError("the prompt has no token", param="prompt")
        head = self._head("cmpl", "text_completion")
        limits = [self._engine.check_length(prompt, body.max_tokens or 16) for prompt in prompts]
        if body.stream:
            if len(prompts) > 1:
                raise RequestError("a stream takes one prompt", param="prompt")
            return await _started(self._stream_text(body, prompts[0], _sampling(body, limits[0]), head))
        choices, generated = [], 0
        for index, (prompt, limit) in enumerate(zip(prompts, limits, strict=True)):
            text, count, reason = await self._whole(prompt, _sampling(body, limit))
            choices.append({"index": index, "text": text, "logprobs": None, "finish_reason": reason})
            generated += count
        return {**head, "choices": choices, "usage": usage_json(sum(map(len, prompts)), generated)}

    def _head(self, prefix: str, kind: str) -> dict[str, Any]:
        return {
            "id": f"{prefix}-{uuid.uuid4().hex[:24]}",
            "object": kind,
            "created": int(time.time()),
            "model": self._name,
        }

    async def _whole(self, prompt: list[int], sampling: Sampling) -> tuple[str, int, str]:
        parts, count, reason = [], 0, "length"
        async for piece in self._engine.stream(prompt, sampling):
            parts.append(piece.text)
            count, reason = piece.num_tokens, piece.finish_reason or reason
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
    ) -> AsyncIterator[dict[str, Any]]:
        head = {**head, "object": "chat.completion.chunk"}

        def chunk(delta: Mapping[str, Any], reason: str | None = None) -> dict[str, Any]:
            return {**head, "choices": [{"index": 0, "delta": delta, "finish_reason": reason}]}

        # With tools the text may turn out to be a call: it is sent once that is known.
        holds_back = bool(body.offered_tools())
        parts, count, reason = [], 0, "length"
        is_first = True
        async for piece in self._engine.stream(prompt, sampling):
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
    ) -> AsyncIterator[dict[str, Any]]:
        count = 0
        async for piece in self._engine.stream(prompt, sampling):
            count = piece.num_tokens
            choice = {"index": 0, "text": piece.text, "logprobs": None, "finish_reason": piece.finish_reason}
            yield {**head, "choices": [choice]}
        if body.includes_usage:
            yield {**head, "choices": [], "usage": usage_json(len(prompt), count)}


async def _started(chunks: AsyncIterator[dict[str, Any]]) -> StreamingResponse:
    """Return the stream; what fails before its first chunk is still an error with its own status."""
    first = await anext(chunks)

    async def lines() -> AsyncIterator[str]:
        yield _event(first)
        try:
            async for chunk in chunks:
                yield _event(chunk)
        except Exception as error:  # the status is sent already: the stream itself says what happened
            yield _event(RequestError(f"the model failed: {error}", status=500).body)
            raise
        yield "data: [DONE]\n\n"

    return StreamingResponse(lines(), media_type="text/event-stream")


def _event(chunk: Mapping[str, Any]) -> str:
    return f"data: {json.dumps(chunk, ensure_ascii=False)}\n\n"
