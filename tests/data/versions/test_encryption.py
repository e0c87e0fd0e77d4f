"""Encryption at rest: without the key nothing can be read, with it everything can."""

import pyarrow
import pyarrow.parquet
import pytest

from luthier.core.errors import DataError
from luthier.data.versions import encryption
from luthier.data.versions.diff import compare
from luthier.data.versions.read import StoredVersion
from luthier.data.versions.store import Store
from luthier.data.versions.verify import faults

from .conftest import rows_at, take

_ROWS = [{"text": f"geheime Zeile 秘密 {n}", "n": n} for n in range(200)]


@pytest.fixture
def key(monkeypatch):
    text = encryption.new_key()
    monkeypatch.setenv("LUTHIER_DATA_KEY", text)
    return text


def _shards(tmp_path):
    return list((tmp_path / "store").rglob("*.parquet"))


def test_rows_are_read_with_the_key_and_not_without(store, key, tmp_path, monkeypatch):
    version = take(store, _ROWS, is_encrypted=True).version
    assert version.key == encryption.key_id(encryption.load_keys().by_id[version.key])
    assert rows_at(store) == _ROWS
    (shard,) = _shards(tmp_path)
    with pytest.raises((pyarrow.ArrowException, OSError)):
        pyarrow.parquet.read_table(shard)
    for path in (tmp_path / "store").rglob("*"):
        content = path.read_bytes() if path.is_file() else b""
        assert "秘密".encode() not in content and b"geheime" not in content
    monkeypatch.delenv("LUTHIER_DATA_KEY")
    with pytest.raises(DataError, match=f"encrypted with key {version.key}, and no key is given"):
        rows_at(Store(store.url))
    monkeypatch.setenv("LUTHIER_DATA_KEY", encryption.new_key())
    with pytest.raises(DataError, match="the key given is another"):
        rows_at(Store(store.url))


def test_plain_rows_would_have_been_found(store, tmp_path):
    """The test above looks at the right place: a plain shard can be read by anybody."""
    take(store, _ROWS)
    (shard,) = _shards(tmp_path)
    assert pyarrow.parquet.read_table(shard)["text"][0].as_py() == _ROWS[0]["text"]


def test_hashes_tell_nothing_to_those_who_guess_the_rows(store, key):
    plain = take(store, _ROWS, name="plain").version
    sealed = take(store, _ROWS, name="sealed", is_encrypted=True).version
    assert plain.content != sealed.content


def test_an_encrypted_data_set_stays_so_and_is_idempotent(store, key):
    first = take(store, _ROWS, is_encrypted=True).version
    assert not take(store, _ROWS, is_encrypted=True).is_new
    second = take(store, _ROWS[1:]).version
    assert second.key == first.key


def test_a_data_set_that_was_plain_is_encrypted_from_then_on(store, key):
    assert take(store, _ROWS).version.key is None
    assert take(store, _ROWS, is_encrypted=True).is_new
    dataset = store.dataset("reviews")
    versions = [StoredVersion(dataset, dataset.resolve(ref)) for ref in ("1", "2")]
    assert compare(*versions).is_equal


def test_a_new_key_encrypts_and_the_old_one_still_decrypts(store, key, monkeypatch):
    take(store, _ROWS, is_encrypted=True)
    new = encryption.new_key()
    monkeypatch.setenv("LUTHIER_DATA_KEY", f"{new},{key}")
    store = Store(store.url)
    take(store, _ROWS[1:])
    assert (rows_at(store, "1"), rows_at(store, "2")) == (_ROWS, _ROWS[1:])
    assert list(faults(store.dataset("reviews"))) == []
    monkeypatch.setenv("LUTHIER_DATA_KEY", new)
    assert rows_at(Store(store.url), "2") == _ROWS[1:]
    with pytest.raises(DataError, match="encrypted with key"):
        rows_at(Store(store.url), "1")


def test_encrypting_without_a_key_is_refused_before_any_work(store):
    def rows():
        raise AssertionError("a row was read")
        yield

    from pathlib import Path

    from luthier.data.versions.snapshot import Snapshot
    from luthier.data.versions.writer import SourceFile

    with pytest.raises(DataError, match="no key is given"):
        Snapshot(is_encrypted=True).take(store.make_dataset("x"), [SourceFile(Path("x"), rows())])


@pytest.mark.parametrize("text", ["short", "c2hvcnQ=", "?" * 44])
def test_what_is_no_key_is_refused(monkeypatch, text):
    monkeypatch.setenv("LUTHIER_DATA_KEY", text)
    with pytest.raises(DataError, match="no key of 32 bytes"):
        encryption.load_keys()


def test_a_key_in_the_keyring_is_used_and_kept_before_older_ones(monkeypatch, store):
    import keyring
    from keyring.backend import KeyringBackend

    class Memory(KeyringBackend):
        priority = 1
        kept: dict = {}

        def get_password(self, service, username):
            return self.kept.get((service, username))

        def set_password(self, service, username, password):
            self.kept[service, username] = password

        def delete_password(self, service, username):
            del self.kept[service, username]

    before = keyring.get_keyring()
    keyring.set_keyring(Memory())
    monkeypatch.undo()  # the fixture that keeps the user's own keyring out
    monkeypatch.delenv("LUTHIER_DATA_KEY", raising=False)
    try:
        assert encryption.load_keys() is None
        old, new = encryption.new_key(), encryption.new_key()
        encryption.keep_in_keyring(old)
        take(store, _ROWS, is_encrypted=True)
        encryption.keep_in_keyring(new)
        assert rows_at(Store(store.url)) == _ROWS
        assert len(encryption.load_keys().by_id) == 2
    finally:
        Memory.kept.clear()
        keyring.set_keyring(before)
