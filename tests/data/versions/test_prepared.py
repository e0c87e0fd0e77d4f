"""The recipe's `data.snapshot`: prepared rows become a version with lineage."""

import json
from pathlib import Path

import pydantic
import pytest

from luthier.data.versions.lineage import lineage
from luthier.data.versions.prepared import store_prepared
from luthier.data.versions.store import Store
from luthier.recipe.data_sections.versions import SnapshotSection

from .conftest import rows_at, take


def _prepared(rows, counts):
    for row in rows:
        counts["kept"] += 1
        yield row


def test_rows_are_stored_with_sources_steps_and_counts(tmp_path):
    store = Store(str(tmp_path / "data-store"))
    take(store, [{"n": n} for n in range(3)], name="raw")
    plain = tmp_path / "more.jsonl"
    plain.write_text(json.dumps({"n": 9}) + "\n")
    section = SnapshotSection(dataset="final", tag="current", message="for release 2")
    for rows in ([{"n": 0}, {"n": 9}], [{"n": 1}]):
        counts = {"kept": 0}
        taken = store_prepared(
            section,
            _prepared(rows, counts),
            recipe_folder=tmp_path,
            sources=[tmp_path / "dataset://raw@1", plain],
            steps=[{"operator": "deduplicate", "kind": "near"}],
            counts=lambda counts=counts: counts,
        )
        assert taken.is_new
    assert rows_at(store, "current", name="final") == [{"n": 1}]
    found = lineage(store, "final", "1")
    assert found.message == "for release 2"
    assert [parent.name for parent in found.parents] == ["raw@1"]
    (origin,) = found.origins
    assert origin["counts"] == {"kept": 2}
    assert origin["steps"] == [{"operator": "deduplicate", "kind": "near"}]


@pytest.mark.parametrize("named", [None, "my-store", "/absolute"])
def test_the_store_lies_where_the_recipe_says(tmp_path, named):
    url = str(tmp_path / "absolute") if named == "/absolute" else named
    section = SnapshotSection(dataset="final", store=url)
    store_prepared(section, [{"n": 1}], recipe_folder=tmp_path / "recipes", sources=[])
    folder = {None: "recipes/data-store", "my-store": "recipes/my-store", "/absolute": "absolute"}[named]
    assert rows_at(Store(str(tmp_path / folder)), name="final") == [{"n": 1}]


def test_encryption_and_references_take_effect(tmp_path, monkeypatch):
    from luthier.data.versions import encryption

    monkeypatch.setenv("LUTHIER_DATA_KEY", encryption.new_key())
    (tmp_path / "a.png").write_bytes(b"\x89PNG")
    section = SnapshotSection(dataset="final", encrypt=True, reference_fields=("image",))
    taken = store_prepared(section, [{"image": "a.png"}], recipe_folder=tmp_path, sources=[])
    assert taken.version.key
    dataset = Store(str(tmp_path / "data-store")).dataset("final")
    assert dataset.manifest(taken.version).references


def test_names_that_no_data_set_can_have_are_refused():
    for name in ("", "../x", "a/b", "a b"):
        with pytest.raises(pydantic.ValidationError):
            SnapshotSection(dataset=name)
    assert Path(SnapshotSection(dataset="评论_1.2").dataset).name == "评论_1.2"
