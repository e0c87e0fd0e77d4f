"""Server-sent events: a stream of JSON chunks as OpenAI's clients read it."""

from __future__ import annotations

import json
import logging
from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from contextlib import aclosing
from typing import Any

from fastapi.responses import StreamingResponse

from luthier.serve.wire import RequestError, failure

_log = logging.getLogger(__name__)


async def started_stream(chunks: AsyncGenerator[dict[str, Any]]) -> StreamingResponse:
    """Return the response; what fails before its first chunk is still an error with its own status."""
    first = await anext(chunks)

    async def lines() -> AsyncIterator[str]:
        async with aclosing(chunks):
            yield _event(first)
            try:
                async for chunk in chunks:
                    yield _event(chunk)
            except Exception as error:  # the status is sent already: the stream itself says what happened
                if not isinstance(error, RequestError):
                    _log.exception("an answer failed in its middle")
                yield _event(failure(error).body)
                return
            yield "data: [DONE]\n\n"

    return StreamingResponse(lines(), media_type="text/event-stream")


def _event(chunk: Mapping[str, Any]) -> str:
    return f"data: {json.dumps(chunk, ensure_ascii=False)}\n\n"
