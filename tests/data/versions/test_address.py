"""Addresses: a version wherever a file of rows can stand."""

from pathlib import Path

import pytest

from luthier.core.errors import DataError
from luthier.data.sources import read_rows
from luthier.data.versions.address import Address, address_in, content_of, open_version, pinned

from .conftest import take


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("reviews", Address("reviews")),
        ("reviews@3", Address("reviews", "3")),
        ("reviews@2027-01-31T10:00:00+08:00", Address("reviews", "2027-01-31T10:00:00+08:00")),
        ("评论@gold?store=/data/store", Address("评论", "gold", "/data/store")),
        ("reviews?store=s3://bucket/a/b", Address("reviews", None, "s3://bucket/a/b")),
        ("dataset://reviews@3?store=/data", Address("reviews", "3", "/data")),
    ],
)
def test_parts_of_an_address(text, expected):
    assert Address.parse(text) == expected


@pytest.mark.parametrize(
    "text", ["", "@3", "a?shop=x", "a?store=", "dataset://", "dataset://@1", "dataset://a/b"]
)
def test_what_is_no_address_is_refused(text):
    with pytest.raises(DataError, match="is no address of a version"):
        Address.parse(text)


def test_an_address_survives_being_made_a_path(monkeypatch):
    for text in ("dataset://x@1?store=s3://b/p", "dataset://x@1?store=/a/b"):
        assert address_in(Path("/recipes") / text) == address_in(text) == Address.parse(text)
    assert address_in(Path("/recipes/rows.jsonl")) is None
    assert address_in("my-dataset:/x") is None


def test_a_relative_store_starts_at_the_recipes_folder_and_the_environments_where_the_command_runs(
    monkeypatch,
):
    assert address_in(Path("/r/dataset://x?store=s")).store == "/r/s"
    assert address_in(Path("/r/dataset://x")).store == "/r/data-store"
    assert address_in("dataset://x").store == "data-store"
    monkeypatch.setenv("LUTHIER_DATA", "here")
    assert address_in(Path("/r/dataset://x")).store == "here"
    assert address_in(Path("/r/dataset://x?store=s")).store == "/r/s"


def test_rows_and_identity_are_those_of_the_version(store, tmp_path):
    rows = [{"text": "一"}, {"text": "二"}]
    version = take(store, rows, tag="gold").version
    take(store, rows[:1])
    address = f"dataset://reviews@gold?store={store.url}"
    assert list(open_version(address)) == [(1, rows[0]), (2, rows[1])]
    assert content_of(address) == version.content
    assert list(read_rows(tmp_path / address)) == list(open_version(address))


def test_a_runs_fingerprint_follows_the_rows_that_a_tag_names(store, tmp_path):
    from luthier.data.read import source_hash
    from luthier.recipe.source_section import Source

    def hashed():
        path = f"dataset://reviews@gold?store={store.url}"
        return source_hash([Source.model_validate({"path": path})], tmp_path)

    take(store, [{"text": "一"}], tag="gold")
    first = hashed()
    take(store, [{"text": "二"}])
    assert hashed() == first
    take(store, [{"text": "二"}], tag="gold", moves_tag=True)
    assert hashed() != first
    take(store, [{"text": "一"}], tag="gold", moves_tag=True)
    assert hashed() == first


def test_a_tag_is_pinned_to_the_version_that_it_names_now(store, tmp_path):
    take(store, [{"text": "一"}], tag="gold")
    take(store, [{"text": "二"}])
    query = f"?store={store.url}"
    assert pinned(f"dataset://reviews@gold{query}", tmp_path) == f"dataset://reviews@1{query}"
    assert pinned(f"dataset://reviews{query}", tmp_path) == f"dataset://reviews@2{query}"
    assert pinned("rows.jsonl", tmp_path) == "rows.jsonl"
    with pytest.raises(DataError, match="silver"):
        pinned(f"dataset://reviews@silver{query}", tmp_path)


def test_a_tag_that_moves_while_rows_are_made_changes_nothing(store, tmp_path, monkeypatch):
    from luthier.pipeline import rows as rows_stage
    from luthier.recipe.load import load_data

    take(store, [{"text": f"row {n}"} for n in range(4)], tag="gold")
    (tmp_path / "r.yaml").write_text(
        f"name: a\nruns_dir: {tmp_path}/runs\n"
        f"data: {{train: [{{path: 'dataset://reviews@gold?store={store.url}'}}], eval: {{}}}}\n"
    )
    curate = rows_stage.curate

    def curate_later(*arguments, **options):
        take(store, [{"text": "another"}], tag="gold", moves_tag=True)
        return curate(*arguments, **options)

    monkeypatch.setattr(rows_stage, "curate", curate_later)
    _, made = rows_stage.prepare_rows(load_data(tmp_path / "r.yaml"))
    assert made.num_read == 4
    monkeypatch.setattr(rows_stage, "curate", curate)
    _, again = rows_stage.prepare_rows(load_data(tmp_path / "r.yaml"))
    assert again.num_read == 1, "the next start reads what the tag names now"
