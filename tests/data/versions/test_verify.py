"""Verifying: whatever byte of a store is changed, something is said."""

import json
import shutil

import pytest

from luthier.data.versions.store import Store
from luthier.data.versions.verify import faults

from .conftest import take


@pytest.fixture
def whole(tmp_path):
    store = Store(str(tmp_path / "whole"))
    for n in (1, 2):
        take(store, [{"n": n, "text": "x" * 50}, {"n": 0, "text": "好"}])
    assert list(faults(store.dataset("reviews"))) == []
    return tmp_path / "whole"


def test_a_flipped_bit_in_any_object_is_found(whole, tmp_path):
    for path in (whole / "reviews" / "objects").iterdir():
        copy = tmp_path / "copy"
        shutil.copytree(whole, copy)
        damaged = copy / "reviews" / "objects" / path.name
        data = bytearray(damaged.read_bytes())
        data[len(data) // 3] ^= 4
        damaged.write_bytes(data)
        (fault,) = faults(Store(str(copy)).dataset("reviews"))
        assert path.name in fault and "damaged" in fault
        shutil.rmtree(copy)


def test_a_missing_object_is_found(whole):
    next((whole / "reviews" / "objects").glob("*.parquet")).unlink()
    (fault,) = faults(Store(str(whole)).dataset("reviews"))
    assert "is gone" in fault


def test_a_manifest_that_was_exchanged_is_found(whole):
    log = whole / "reviews" / "log"
    first, second = (json.loads((log / f"0000000{n}.json").read_text()) for n in (1, 2))
    (log / "00000002.json").write_text(json.dumps(second | {"manifest": first["manifest"]}))
    (fault,) = faults(Store(str(whole)).dataset("reviews"))
    assert "version 2: its manifest lists other rows" in fault


def test_a_summary_that_differs_from_the_log_is_found(whole):
    store = Store(str(whole))
    for n in range(60):
        take(store, [{"n": n + 10}])
    summary = whole / "reviews" / "log" / "00000050.state.json"
    facts = json.loads(summary.read_text())
    summary.write_text(json.dumps(facts | {"tags": {"forged": 1}}))
    assert any("the summary of the log differs" in fault for fault in faults(store.dataset("reviews")))
