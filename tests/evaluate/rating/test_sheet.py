"""The page is blind, balanced, the same for the same seed, and works: its script runs in a browser's stead."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from luthier.core.errors import DataError
from luthier.evaluate.rating.pairs import Pair
from luthier.evaluate.rating.sheet import (
    KEY_FILE,
    PAGE_FILE,
    make_sheet,
    read_sheet,
    render_sheet,
    write_sheet,
)
from tests.evaluate.rating.sheets import sheet_in

HOSTILE = "</script><script>alert(1)</script>{{ 7 * 7 }}\u2028"


def _pairs(count: int) -> list[Pair]:
    return [Pair(f"row {n}", f"Q{n}", "R", f"A {n}", f"B {n}") for n in range(count)]


def _data(page: str) -> dict[str, object]:
    found = re.search(r'<script type="application/json" id="data">(.*?)</script>', page, re.DOTALL)
    assert found
    return dict(json.loads(found[1]))


def test_each_model_is_first_in_half_of_the_pairs_in_an_order_of_the_seed() -> None:
    orders = {tuple(item.first for item in make_sheet(_pairs(20), seed).items) for seed in range(5)}
    assert len(orders) == 5
    assert all(order.count("tuned") == 10 for order in orders)
    assert make_sheet(_pairs(20), 1) == make_sheet(_pairs(20), 1)
    assert {make_sheet(_pairs(1), seed).items[0].first for seed in range(20)} == {"base", "tuned"}


def test_the_page_does_not_tell_and_the_key_does(tmp_path: Path) -> None:
    sheet = make_sheet(_pairs(6), 0)
    write_sheet(sheet, tmp_path)
    page = (tmp_path / PAGE_FILE).read_text(encoding="utf-8")
    assert not re.search(r"tuned|\bbase\b|https?://|row \d", page)
    items = _data(page)["items"]
    assert isinstance(items, list)
    assert [set(item) for item in items] == [{"id", "prompt", "reference", "answers"}] * 6
    for shown, item in zip(items, read_sheet(tmp_path).items, strict=True):
        tuned_at = 0 if item.first == "tuned" else 1
        assert shown["answers"][tuned_at] == item.pair.tuned
        assert item.winner("first") == item.first
        assert {item.winner("first"), item.winner("second")} == {"base", "tuned"}
        assert item.winner("tie") == "tie"
    assert read_sheet(tmp_path) == sheet


def test_what_models_say_cannot_leave_the_data() -> None:
    sheet = make_sheet([Pair("r", HOSTILE, None, HOSTILE + "a", HOSTILE + "b")], 0)
    page = render_sheet(sheet)
    assert page.count("<script") == 2
    assert _data(page)["items"] == [
        {"id": "item-1", "prompt": HOSTILE, "reference": None, "answers": list(sheet.items[0].answers)}
    ]


def test_equal_answers_are_left_out_and_counted() -> None:
    same = Pair("r", "Q", None, "x ", "x")
    assert make_sheet([same, *_pairs(2)], 0).num_identical == 1
    with pytest.raises(DataError, match="all 1 questions alike"):
        make_sheet([same], 0)


def test_a_key_is_not_overwritten_by_another_pages(tmp_path: Path) -> None:
    sheet = sheet_in(tmp_path)
    write_sheet(sheet, tmp_path)
    with pytest.raises(DataError, match="another page's key"):
        write_sheet(make_sheet(_pairs(3), 0), tmp_path)


@pytest.mark.parametrize("text", ["{", "[]", '{"version": 2}', '{"version": 1, "items": [{}]}'])
def test_broken_keys(tmp_path: Path, text: str) -> None:
    with pytest.raises(DataError, match="make the page first"):
        read_sheet(tmp_path)
    (tmp_path / KEY_FILE).write_text(text, encoding="utf-8")
    with pytest.raises(DataError, match="not a key of a rating page"):
        read_sheet(tmp_path)


@pytest.mark.parametrize("change", [("first", "tuned"), ("first", "base"), ("items", [])])
def test_a_key_that_was_changed_un_blinds_nothing(tmp_path: Path, change: tuple[str, object]) -> None:
    sheet_in(tmp_path)
    key = json.loads((tmp_path / KEY_FILE).read_text(encoding="utf-8"))
    name, value = change
    if name == "items":
        key["items"] = value
    else:
        for item in key["items"]:
            item["first"] = value
    (tmp_path / KEY_FILE).write_text(json.dumps(key), encoding="utf-8")
    with pytest.raises(DataError, match="not those of the page"):
        read_sheet(tmp_path)


@pytest.mark.skipif(shutil.which("node") is None, reason="node runs the page's script")
def test_the_script_rates_by_keys_keeps_progress_and_downloads(tmp_path: Path) -> None:
    page = render_sheet(make_sheet(_pairs(3), 0))
    script = re.findall(r"<script>(.*?)</script>", page, re.DOTALL)[0]
    browser = (Path(__file__).parent / "browser.js").read_text(encoding="utf-8")
    program = tmp_path / "page.js"
    program.write_text(browser.replace("PAGE_DATA", json.dumps(json.dumps(_data(page))))
                       .replace("PAGE_SCRIPT", json.dumps(script)), encoding="utf-8")  # fmt: skip
    done = subprocess.run(["node", str(program)], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    wanted = [{"item": "item-1", "verdict": "second"}, {"item": "item-2", "verdict": "tie"},
              {"item": "item-3", "verdict": "first"}]  # fmt: skip
    assert told["nameless"] == [0, "Write your name first."]
    assert told["typed"] == 0  # a digit in the name is no verdict
    assert told["unfinished"].endswith("Still to rate: 1")
    assert told["reopened"] == "3 / 3 · rated 2"
    assert told["chinese"] == "哪个回答更好？"
    assert told["file"]["verdicts"] == wanted
    assert told["file"]["rater"] == "李 Ann"
    assert told["name"] == "ratings-李-Ann.json"
    assert told["cleared"] == "1 / 3 · 已评 0"
