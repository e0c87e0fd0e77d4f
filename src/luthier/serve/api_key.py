"""The API key: who may use the model."""

from __future__ import annotations

import hmac

from fastapi.responses import JSONResponse
from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

from luthier.serve.wire import RequestError


class KeyCheck:
    """Lets only callers with the key through; plain ASGI, so that the app still learns of callers who leave.

    Args:
        app: What is guarded.
        api_key: Callers must send it as a bearer token to every path below ``/v1/``.
    """

    def __init__(self, app: ASGIApp, api_key: str) -> None:
        self._app = app
        self._key = api_key.encode()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer with 401, or pass the request on."""
        if scope["type"] == "http" and scope["path"].startswith("/v1/"):
            given = Headers(scope=scope).get("authorization", "").removeprefix("Bearer ")
            if not hmac.compare_digest(given.encode(), self._key):
                error = RequestError("Incorrect API key provided.", status=401, code="invalid_api_key")
                return await JSONResponse(error.body, status_code=error.status)(scope, receive, send)
        await self._app(scope, receive, send)
