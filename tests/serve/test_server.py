"""The address that the server listens on."""

from __future__ import annotations

import socket

import pytest

from luthier.core.errors import ServeError
from luthier.serve.server import bind


def test_port_zero_takes_a_free_one() -> None:
    with bind("127.0.0.1", 0) as first, bind("127.0.0.1", 0) as second:
        ports = {first.getsockname()[1], second.getsockname()[1]}
        assert len(ports) == 2 and 0 not in ports
        with socket.create_connection(first.getsockname(), timeout=5):
            pass


def test_port_in_use_is_named_with_another_one() -> None:
    with bind("127.0.0.1", 0) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(ServeError, match=f"port {port} on 127.0.0.1") as caught:
            bind("127.0.0.1", port)
        assert "in use" in caught.value.problem
        assert "--port 0" in str(caught.value.cure)


@pytest.mark.parametrize("host", ["203.0.113.7", "no such host"])  # RFC 5737: an address that is nobody's
def test_foreign_address_is_not_blamed_on_the_port(host: str) -> None:
    with pytest.raises(ServeError, match=host) as caught:
        bind(host, 0)
    assert "--host" in str(caught.value.cure)
