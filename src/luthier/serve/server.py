"""Start the HTTP server, and say clearly why it cannot start."""

from __future__ import annotations

import errno
import socket
from typing import Any

from luthier.core.errors import ServeError


def bind(host: str, port: int) -> socket.socket:
    """Return a socket that listens; port 0 takes a free one.

    Raises:
        ServeError: The address is in use or not ours.
    """
    listener = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((host, port))
        listener.listen(128)
    except OSError as error:
        listener.close()
        if isinstance(error, socket.gaierror) or error.errno == errno.EADDRNOTAVAIL:
            problem = f"{host} is no address of this machine: {error.strerror}"
            raise ServeError(
                problem, cure="--host 127.0.0.1 for this machine alone, 0.0.0.0 for all"
            ) from error
        raise ServeError(
            f"port {port} on {host} cannot be used: {error.strerror}",
            cure="choose another one with --port, or --port 0 for any free one",
        ) from error
    return listener


def serve_app(app: Any, listener: socket.socket) -> None:
    """Serve until a signal ends the process."""
    import uvicorn

    config = uvicorn.Config(app, log_level="warning", timeout_graceful_shutdown=5)
    uvicorn.Server(config).run(sockets=[listener])
