"""What raters say together, by hand; files that cannot be right are refused with item and cure."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from luthier.core.errors import DataError
from luthier.data.annotation.agreement import Bootstrap
from luthier.evaluate.rating.intake import read_ratings
from luthier.evaluate.rating.people import majority, summarize
from luthier.evaluate.rating.win_rate import Winner
from tests.evaluate.rating.sheets import sheet_in, write_ratings

ANN: dict[str, Winner] = {"item-1": "tuned", "item-2": "tuned", "item-3": "base", "item-4": "tie"}
BEN: dict[str, Winner] = {"item-1": "tuned", "item-2": "base", "item-3": "base", "item-4": "tie"}
HOW = Bootstrap(num_samples=200)


def test_two_raters_by_hand(tmp_path: Path) -> None:
    sheet = sheet_in(tmp_path)
    paths = [write_ratings(tmp_path / f"{name}.json", sheet, name, winners)
             for name, winners in (("Ann", ANN), ("Ben", BEN))]  # fmt: skip
    rated = read_ratings(paths, sheet, is_partial=False)
    found = summarize(rated, HOW)
    assert (found.all.wins, found.all.ties, found.all.losses) == (3, 2, 3)
    assert found.all.win_rate.value == 0.5
    assert found.raters["Ann"].win_rate.value == (2 + 0.5) / 4
    assert found.raters["Ben"].win_rate.value == (1 + 0.5) / 4
    assert found.agreement is not None
    # They agree on 3 of 4. By chance: tuned 2/4 * 1/4, base 1/4 * 2/4, tie 1/4 * 1/4, together 5/16.
    assert found.agreement.measures[0].value == pytest.approx(3 / 4)
    assert found.agreement.pairs[0].kappa.value == pytest.approx((3 / 4 - 5 / 16) / (1 - 5 / 16))
    assert majority(rated) == {"item-1": "tuned", "item-2": "tie", "item-3": "base", "item-4": "tie"}


def test_a_rater_who_always_takes_the_first_is_seen(tmp_path: Path) -> None:
    sheet = sheet_in(tmp_path, 20)
    always = write_ratings(tmp_path / "a.json", sheet, "A", {item.id: item.first for item in sheet.items})
    found = summarize(read_ratings([always], sheet, is_partial=False), HOW)
    assert found.agreement is None
    assert found.all.win_rate.value == 0.5  # places are balanced: a lazy rater moves no win rate
    assert found.all.first_share is not None
    assert (found.all.first_share.value, found.all.first_share.low > 0.8) == (1.0, True)


def test_unfinished_raters_are_taken_when_asked(tmp_path: Path) -> None:
    sheet = sheet_in(tmp_path)
    path = write_ratings(tmp_path / "a.json", sheet, "Ann", {"item-2": "tuned"})
    with pytest.raises(
        DataError, match=r"Ann has no verdict on 3 of 4 items: item-1, item-3, item-4\n.*--partial"
    ):
        read_ratings([path], sheet, is_partial=False)
    assert [one.winner for one in read_ratings([path], sheet, is_partial=True)] == ["tuned"]


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"page": "other"}, "rates page 'other'"),
        ({"rater": " "}, "the rater has no name"),
        ({"verdicts": {}}, "a list `verdicts`"),
        ({"verdicts": [{"item": "item-9", "verdict": "tie"}]}, "verdict 1: item 'item-9' is not on the page"),
        ({"verdicts": [{"item": "item-1", "verdict": "A"}]}, "item-1 has the verdict 'A'"),
        ({"verdicts": [{"item": "item-1", "verdict": ["tie"]}]}, "item-1 has the verdict"),
        ({"verdicts": [{"item": "item-1", "verdict": "tie"}] * 2}, "Ann rated item-1 twice"),
        ({"verdicts": ["tie"]}, "verdict 1: an object is expected"),
        ({"verdicts": []}, "hold no verdicts"),
    ],
)
def test_bad_files(tmp_path: Path, change: dict[str, Any], told: str) -> None:
    sheet = sheet_in(tmp_path)
    path = write_ratings(tmp_path / "a.json", sheet, "Ann", ANN, change)
    with pytest.raises(DataError, match=told) as caught:
        read_ratings([path], sheet, is_partial=True)
    assert caught.value.cure or told.endswith("expected")


def test_the_same_rater_in_two_files_and_files_that_are_none(tmp_path: Path) -> None:
    sheet = sheet_in(tmp_path)
    first = write_ratings(tmp_path / "a.json", sheet, "Ann", ANN)
    second = write_ratings(tmp_path / "b.json", sheet, "Ann", BEN)
    with pytest.raises(DataError, match=r"b.json: Ann rated item-1 twice, first in .*a.json"):
        read_ratings([first, second], sheet, is_partial=False)
    first.write_text(json.dumps(["x"]), encoding="utf-8")
    with pytest.raises(DataError, match="a list `verdicts`"):
        read_ratings([first], sheet, is_partial=False)
    first.write_text("{", encoding="utf-8")
    with pytest.raises(DataError, match="is not JSON"):
        read_ratings([first], sheet, is_partial=False)
    with pytest.raises(DataError, match="no such file"):
        read_ratings([tmp_path / "none.json"], sheet, is_partial=False)
