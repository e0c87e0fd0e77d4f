"""The contract of storages, kept by a local folder and by an S3-compatible server."""

import os
from datetime import UTC, datetime, timedelta

import pytest

from luthier.core.errors import DataError
from luthier.data.versions.storage import open_storage, within


@pytest.fixture(params=["local", "s3"])
def storage(request, tmp_path):
    return open_storage(
        str(tmp_path / "root") if request.param == "local" else request.getfixturevalue("bucket")
    )


class TestContract:
    def test_what_is_written_is_read_and_listed(self, storage):
        storage.write("a/b.json", b"1")
        storage.write("a/b.json", b"22")
        storage.write("c", b"")
        assert (storage.read("a/b.json"), storage.read("c")) == (b"22", b"")
        (file,) = storage.files("a")
        assert (file.name, file.num_bytes) == ("a/b.json", 2)
        assert abs(file.modified - datetime.now(UTC)) < timedelta(minutes=1)
        assert storage.folders() == ["a"]

    def test_only_the_first_creates(self, storage):
        assert storage.create("log/1", b"first")
        assert not storage.create("log/1", b"second")
        assert storage.read("log/1") == b"first"

    def test_what_is_absent_is_not_found_and_deleting_it_is_no_fault(self, storage):
        with pytest.raises(FileNotFoundError):
            storage.read("absent")
        storage.delete("absent")
        assert storage.delete_older("absent", datetime.now(UTC))
        assert list(storage.files("absent")) == [] == storage.folders()

    def test_only_old_files_are_deleted_by_age(self, storage):
        storage.write("x", b"1")
        now = datetime.now(UTC)
        assert not storage.delete_older("x", now - timedelta(hours=1))
        assert storage.read("x") == b"1"
        assert storage.delete_older("x", now + timedelta(hours=1))
        with pytest.raises(FileNotFoundError):
            storage.read("x")

    def test_a_folder_is_a_storage_of_its_own(self, storage):
        within(storage, "inner").write("x", b"1")
        assert storage.read("inner/x") == b"1"


def test_what_a_killed_writer_left_is_no_file_and_is_deleted_by_age(tmp_path):
    storage = open_storage(str(tmp_path))
    storage.write("objects/a", b"1")
    (tmp_path / "objects" / ".partial-123").write_bytes(b"half")
    assert [file.name for file in storage.files("objects")] == ["objects/a"]
    now = datetime.now(UTC)
    assert storage.delete_partial(now - timedelta(hours=1), is_dry_run=False) == []
    assert len(storage.delete_partial(now + timedelta(hours=1), is_dry_run=True)) == 1
    assert len(storage.delete_partial(now + timedelta(hours=1), is_dry_run=False)) == 1
    assert os.listdir(tmp_path / "objects") == ["a"]


def test_faults_of_a_server_are_explained(bucket, monkeypatch):
    with pytest.raises(DataError, match="make the bucket first"):
        open_storage("s3://no-such-bucket/x").write("a", b"")
    with pytest.raises(DataError, match="make the bucket first"):
        open_storage("s3://no-such-bucket/x").read("a")
    with pytest.raises(DataError, match="AWS_ENDPOINT_URL|a folder"):
        open_storage("ftp://host/x").read("a")


def test_faults_of_a_disk_are_explained(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(DataError, match="File exists"):
        open_storage(str(tmp_path / "file")).write("a", b"")
