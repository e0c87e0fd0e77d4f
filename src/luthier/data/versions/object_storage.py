"""A store's bytes in a bucket: S3 and what speaks its language, Google Cloud Storage, Azure."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import datetime, timedelta
from typing import Any

from luthier.core.errors import DataError
from luthier.core.optional import require
from luthier.data.versions.storage import Stored

_TIMEOUTS = {"connect_timeout": "10s", "timeout": "120s", "allow_http": "true"}
_RETRIES: dict[str, Any] = {"max_retries": 5, "retry_timeout": timedelta(seconds=60)}


class ObjectStorage:
    """A bucket, or a prefix in one; keys, region and endpoint come from the cloud's usual variables."""

    def __init__(self, url: str) -> None:
        self.url = url.rstrip("/")
        obstore = require("obstore.store", extra="store", purpose=f"the store {url}")
        self._faults = require("obstore.exceptions", extra="store", purpose=f"the store {url}")
        try:
            self._bucket = obstore.from_url(self.url, client_options=_TIMEOUTS, retry_config=_RETRIES)
        except (self._faults.BaseError, ValueError) as error:
            raise self._fault("", error, "a folder, s3://BUCKET/PREFIX, gs://… or az://…") from error

    def read(self, name: str) -> bytes:
        """Return what stands under a name."""
        with self._explained(name):
            return bytes(self._bucket.get(name).bytes())

    def write(self, name: str, data: bytes) -> None:
        """Put bytes under a name."""
        with self._explained(name, is_write=True):
            # In parts, a killed writer would leave parts behind that no listing shows.
            self._bucket.put(name, data, use_multipart=False)

    def create(self, name: str, data: bytes) -> bool:
        """Put bytes under a name if nothing stands there (``If-None-Match: *``)."""
        with self._explained(name, is_write=True):
            try:
                self._bucket.put(name, data, mode="create", use_multipart=False)
            except self._faults.AlreadyExistsError:
                return False
        return True

    def files(self, prefix: str) -> Iterator[Stored]:
        """Yield all files below a folder."""
        with self._explained(prefix):
            for chunk in self._bucket.list(prefix or None):
                for entry in chunk:
                    yield Stored(entry["path"], entry["size"], entry["last_modified"])

    def folders(self) -> list[str]:
        """Return the names of the folders at the root."""
        with self._explained(""):
            return sorted(self._bucket.list_with_delimiter()["common_prefixes"])

    def delete(self, name: str) -> None:
        """Delete a file."""
        with self._explained(name), suppress(FileNotFoundError):
            self._bucket.delete(name)

    def delete_older(self, name: str, before: datetime) -> bool:
        """Delete an object if it was written last before a time."""
        with self._explained(name):
            try:
                is_old = bool(self._bucket.head(name)["last_modified"] < before)
            except FileNotFoundError:
                return True
        if is_old:
            self.delete(name)
        return is_old

    def delete_partial(self, before: datetime, *, is_dry_run: bool) -> list[Stored]:
        """Return nothing: an object store shows whole objects only."""
        return []

    @contextmanager
    def _explained(self, name: str, *, is_write: bool = False) -> Iterator[None]:
        try:
            yield
        except FileNotFoundError as error:
            if is_write or "NoSuchBucket" in str(error):
                raise self._fault(name, error, "make the bucket first") from error
            raise
        except self._faults.BaseError as error:
            cure = "check the URL, AWS_ENDPOINT_URL, AWS_REGION, AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY"
            if "NoSuchBucket" in str(error):
                cure = "make the bucket first"
            raise self._fault(name, error, cure) from error

    def _fault(self, name: str, error: Exception, cure: str) -> DataError:
        # The first line says what happened; the rest is the server's XML and Rust's debug text.
        problem = str(error).splitlines()[0].split("<?xml")[0].strip(" :")
        return DataError(f"{name}: {problem}" if name else problem, where=f"store {self.url}", cure=cure)
