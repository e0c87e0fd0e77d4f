"""Encryption at rest: Parquet modular encryption with a key from the environment or the system's keyring."""

from __future__ import annotations

import base64
import binascii
import hashlib
import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pyarrow.parquet.encryption as parquet_encryption

from luthier.core.errors import DataError
from luthier.core.optional import require

KEY_VARIABLE = "LUTHIER_DATA_KEY"
KEYRING_SERVICE = "luthier"
KEYRING_USER = "data-key"

_KEY_BYTES = 32
_NONCE_BYTES = 12
_HOW_TO_GIVE_A_KEY = (
    f"set {KEY_VARIABLE}, or keep the key in the keyring: luthier data versions new-key --keyring"
)


@dataclass(frozen=True)
class Keys:
    """Keys by their id: the first encrypts, all decrypt, so that old versions stay readable after a change of key."""

    by_id: Mapping[str, bytes]

    @property
    def first(self) -> str:
        """Id of the key that encrypts."""
        return next(iter(self.by_id))


def new_key() -> str:
    """Return a new random key as text."""
    return base64.urlsafe_b64encode(os.urandom(_KEY_BYTES)).decode()


def key_id(key: bytes) -> str:
    """Return the name of a key; it tells nothing about the key itself."""
    return hashlib.sha256(b"luthier data key " + key).hexdigest()[:12]


def load_keys() -> Keys | None:
    """Return the keys that the environment, else the keyring, holds: one, or several with commas between.

    Raises:
        DataError: What is there is no key.
    """
    if text := os.environ.get(KEY_VARIABLE):
        return _keys(text, KEY_VARIABLE)
    if text := _from_keyring():
        return _keys(text, f"keyring entry {KEYRING_SERVICE}/{KEYRING_USER}")
    return None


def keep_in_keyring(text: str) -> None:
    """Keep a key in the system's keyring, before those that are there already.

    Raises:
        DataError: The machine has no keyring.
    """
    keyring: Any = require("keyring", extra="store", purpose="keeping a key in the system's keyring")
    old = _from_keyring()
    try:
        keyring.set_password(KEYRING_SERVICE, KEYRING_USER, f"{text},{old}" if old else text)
    except keyring.errors.KeyringError as error:
        raise DataError(
            f"the keyring cannot be used: {error}",
            cure=f"print the key with `luthier data versions new-key` and set {KEY_VARIABLE}",
        ) from error


def needed_key(keys: Keys | None, wanted: str | None, where: str) -> tuple[str, bytes]:
    """Return id and bytes of a key.

    Args:
        keys: What there is.
        wanted: Id of the key that a version was encrypted with; None for the one that encrypts.
        where: Store, data set and version, for the error.

    Raises:
        DataError: There is no key, or another one.
    """
    if keys is None:
        problem = f"is encrypted with key {wanted}, and no key is given" if wanted else "no key is given"
        raise DataError(problem, where=where, cure=_HOW_TO_GIVE_A_KEY)
    name = wanted or keys.first
    if name not in keys.by_id:
        raise DataError(
            f"is encrypted with key {name}; the key given is another: {', '.join(keys.by_id)}",
            where=where,
            cure=f"give the key {name}; several keys may stand in {KEY_VARIABLE}, with commas between",
        )
    return name, keys.by_id[name]


def encryption_of(name: str, key: bytes) -> Any:
    """Return the properties that make PyArrow encrypt every column and the footer of a Parquet file."""
    configuration = parquet_encryption.EncryptionConfiguration(
        footer_key=name,
        uniform_encryption=True,
        encryption_algorithm="AES_GCM_V1",
        double_wrapping=False,
        data_key_length_bits=256,
    )
    return _factory(key).file_encryption_properties(_connection(), configuration)


def decryption_of(key: bytes) -> Any:
    """Return the properties that make PyArrow read such a file."""
    configuration = parquet_encryption.DecryptionConfiguration()
    return _factory(key).file_decryption_properties(_connection(), configuration)


class _Keeper(parquet_encryption.KmsClient):  # type: ignore[misc]  # pyarrow has no types
    """Wraps the random key of each file with the user's key (AES-GCM, the key's id authenticated with it)."""

    def __init__(self, key: bytes) -> None:
        super().__init__()
        aead = require(
            "cryptography.hazmat.primitives.ciphers.aead", extra="store", purpose="encryption at rest"
        )
        self._cipher = aead.AESGCM(key)

    def wrap_key(self, key_bytes: bytes, master_key_identifier: str) -> bytes:
        """Return a file's key, encrypted."""
        nonce = os.urandom(_NONCE_BYTES)
        sealed = self._cipher.encrypt(nonce, key_bytes, master_key_identifier.encode())
        return base64.b64encode(nonce + sealed)

    def unwrap_key(self, wrapped_key: bytes, master_key_identifier: str) -> bytes:
        """Return a file's key."""
        sealed = base64.b64decode(wrapped_key)
        plain: bytes = self._cipher.decrypt(
            sealed[:_NONCE_BYTES], sealed[_NONCE_BYTES:], master_key_identifier.encode()
        )
        return plain


def _factory(key: bytes) -> Any:
    return parquet_encryption.CryptoFactory(lambda connection: _Keeper(key))


def _connection() -> Any:
    return parquet_encryption.KmsConnectionConfig()


def _keys(text: str, source: str) -> Keys:
    keys = [_decoded(part.strip(), source) for part in text.split(",")]
    return Keys({key_id(key): key for key in keys})


def _decoded(text: str, source: str) -> bytes:
    try:
        key = base64.b64decode(text.replace("-", "+").replace("_", "/"), validate=True)
    except binascii.Error:
        key = b""
    if len(key) != _KEY_BYTES:
        raise DataError(
            f"holds no key of {_KEY_BYTES} bytes in base64",
            where=source,
            cure="make one: luthier data versions new-key",
        )
    return key


def _from_keyring() -> str | None:
    try:
        import keyring
    except ModuleNotFoundError:
        return None
    try:
        return keyring.get_password(KEYRING_SERVICE, KEYRING_USER)
    except keyring.errors.KeyringError:  # a machine without a keyring holds no key
        return None
