"""The map from substitutes back to originals: sealed with AES-256-GCM, chunk by chunk, or not kept at all."""

from __future__ import annotations

import base64
import json
import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Protocol

from luthier.core.errors import DataError
from luthier.core.optional import require
from luthier.data.pii.keys import KEY_ENV, key_for
from luthier.data.sinks import writing
from luthier.data.sources import read_rows

_FORMAT = "luthier personal data map 1"
_NONCE_BYTES = 12

Pair = tuple[str, str, str]
"""Kind, substitute, original."""


class Append(Protocol):
    """Takes one sealed chunk."""

    def __call__(self, sealed: str) -> None:
        """Append a chunk that `seal` made."""


def seal(pairs: Iterable[Pair], key_env: str = KEY_ENV) -> str:
    """Return pairs as one encrypted chunk; whoever has no key learns nothing but its size."""
    return _seal(sorted(set(pairs)), key_env)


@contextmanager
def writing_map(path: Path, key_env: str = KEY_ENV) -> Iterator[Append]:
    """Yield a function that appends sealed chunks; the file appears under its name when it is complete.

    Args:
        path: A .jsonl file.
        key_env: Environment variable with the key.

    Raises:
        DataError: The file is of another kind, or there is no key.
    """
    if path.suffix.lower() != ".jsonl":
        raise DataError("the map is a .jsonl file", where=str(path), cure=f"call it {path.stem}.jsonl")
    num_chunks = 0
    with writing(path) as write:
        write({"format": _FORMAT, "key": _name_of(key_env)})

        def append(sealed: str) -> None:
            nonlocal num_chunks
            num_chunks += 1
            write({"sealed": sealed})

        yield append
        write({"sealed": _seal({"chunks": num_chunks}, key_env)})


def read_map(path: Path, key_env: str = KEY_ENV) -> tuple[dict[str, str], frozenset[str]]:
    """Return what each substitute stands for, and the substitutes that two originals share.

    Raises:
        DataError: The file is none of these, has another key, was changed, or was cut short.
    """
    rows = (row for _, row in read_rows(path))
    head = next(rows)
    if not isinstance(head, dict) or head.get("format") != _FORMAT:
        raise DataError("is not a map of personal data", where=str(path), cure="`--map` writes one")
    if head.get("key") != _name_of(key_env):
        raise DataError(f"was written with another key than {key_env} holds", where=str(path))
    originals: dict[str, str] = {}
    shared: set[str] = set()
    num_chunks, is_complete = 0, False
    for number, row in enumerate(rows, start=2):
        chunk = _unsealed(row, key_env, f"{path}, line {number}")
        if isinstance(chunk, dict):
            is_complete = chunk.get("chunks") == num_chunks
            break
        num_chunks += 1
        for _, substitute, original in chunk:
            if originals.setdefault(substitute, original) != original:
                shared.add(substitute)
    if not is_complete:
        raise DataError(
            f"was cut short: {num_chunks} chunks, and no end", where=str(path), cure="restore the file"
        )
    return {name: value for name, value in originals.items() if name not in shared}, frozenset(shared)


def _seal(value: Any, key_env: str) -> str:
    nonce = os.urandom(_NONCE_BYTES)
    text = json.dumps(value, ensure_ascii=False).encode("utf-8", "surrogatepass")
    return base64.b64encode(nonce + _cipher(key_env).encrypt(nonce, text, _FORMAT.encode())).decode()


def _unsealed(row: Any, key_env: str, where: str) -> Any:
    from cryptography.exceptions import InvalidTag

    try:
        sealed = base64.b64decode(row["sealed"], validate=True)
        plain = _cipher(key_env).decrypt(sealed[:_NONCE_BYTES], sealed[_NONCE_BYTES:], _FORMAT.encode())
    except (InvalidTag, ValueError, KeyError, TypeError) as error:
        raise DataError("the map was changed: a chunk does not open", where=where) from error
    return json.loads(plain.decode("utf-8", "surrogatepass"))


def _cipher(key_env: str) -> Any:
    aead = require(
        "cryptography.hazmat.primitives.ciphers.aead", extra="pii", purpose="the map of personal data"
    )
    return aead.AESGCM(key_for("map", key_env))


def _name_of(key_env: str) -> str:
    """Return a name for the key that tells two keys apart and says nothing of them."""
    return key_for("name of the key", key_env)[:8].hex()
