"""Keys from the environment: one secret, from which the key of each use is derived."""

from __future__ import annotations

import hashlib
import hmac
import os

from luthier.core.errors import DataError

KEY_ENV = "LUTHIER_PII_KEY"
_SHORTEST = 16


def key_for(use: str, key_env: str = KEY_ENV) -> bytes:
    """Return 32 bytes for a use, derived from the secret in an environment variable.

    Args:
        use: E.g. ``pseudonyms``; keys of different uses say nothing of each other.
        key_env: Name of the variable. Only the name travels between processes, never the secret.

    Raises:
        DataError: The variable is not set, or its secret is short enough to be guessed.
    """
    secret = os.environ.get(key_env, "").encode("utf-8", "surrogateescape")
    if len(secret) < _SHORTEST:
        fault = f"holds {len(secret)} bytes, {_SHORTEST} or more are needed" if secret else "is not set"
        raise DataError(
            f"the environment variable {key_env}, which holds the key, {fault}",
            cure=f"export {key_env}=$(openssl rand -hex 32), and keep it: the same key gives the same substitutes",
        )
    # HKDF (RFC 5869) with one block; the secret is expected to be random, so no password stretching.
    extracted = hmac.digest(b"luthier personal data", secret, hashlib.sha256)
    return hmac.digest(extracted, use.encode() + b"\x01", hashlib.sha256)
