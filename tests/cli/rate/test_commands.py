"""`luthier rate`: what a user types, what is told, and what is refused."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from luthier.cli.main import cli
from luthier.cli.rate.group import RATE_COMMANDS
from luthier.core.errors import LuthierError
from luthier.evaluate.rating.sheet import read_sheet
from tests.evaluate.rating.judge_server import judge_server, prefers_tuned
from tests.evaluate.rating.sheets import write_ratings


def _call(*arguments: object) -> Result:
    return CliRunner().invoke(cli, ["rate", *map(str, arguments)])


def _told(*arguments: object) -> Any:
    result = _call(*arguments, "--json")
    assert result.exception is None, result.exception
    return json.loads(result.stdout)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A page of four pairs, made from a report."""
    rows = [{"row": f"row {n}", "prompt": f"question {n}", "reference": None, "base": f"base {n}",
             "tuned": f"tuned {n}"} for n in range(4)]  # fmt: skip
    rows.append({**rows[0], "base": "same", "tuned": "same"})
    (tmp_path / "report.json").write_text(json.dumps({"generations": rows}), encoding="utf-8")
    made = _told("make", tmp_path / "report.json", "--out", tmp_path / "page", "--seed", 5)
    assert (made["items"], made["identical"], made["seed"]) == (4, 1, 5)
    assert Path(made["page"]).is_file()
    return tmp_path / "page"


def test_every_command_has_help() -> None:
    for name in RATE_COMMANDS:
        assert _call(name, "--help").exit_code == 0


def test_import_tells_win_rate_and_agreement(folder: Path) -> None:
    sheet = read_sheet(folder)
    assert sheet.seed == 5
    paths = [write_ratings(folder / f"{name}.json", sheet, name, {item.id: "tuned" for item in sheet.items[:count]})
             for name, count in (("Ann", 4), ("Ben", 2))]  # fmt: skip
    refused = _call("import", folder, *paths)
    assert isinstance(refused.exception, LuthierError)
    assert "Ben has no verdict on 2 of 4 items" in str(refused.exception)
    told = _told("import", folder, *paths, "--partial", "--confidence", 0.9, "--seed", 1)
    assert told["win_rate"]["value"] == 1.0
    assert told["raters"]["Ben"]["num_verdicts"] == 2
    assert (told["rated_items"], told["identical"], told["confidence"]) == (4, 1, 0.9)
    assert told["win_rate"]["low"] > _told("import", folder, *paths, "--partial")["win_rate"]["low"]
    agreement = {measure["name"]: measure["value"] for measure in told["agreement"]}
    assert agreement["observed_agreement"] == 1.0
    printed = _call("import", folder, paths[0]).stdout
    assert "100.0%" in printed
    assert "whether raters agree is not known" in printed


def test_judge_beside_people(folder: Path) -> None:
    sheet = read_sheet(folder)
    winners = ("tuned", "tuned", "base", "tie")
    path = write_ratings(folder / "a.json", sheet, "Ann", {
        item.id: winner for item, winner in zip(sheet.items, winners, strict=True)})  # type: ignore[misc] # fmt: skip
    with judge_server(prefers_tuned) as (url, asked):
        told = _told("judge", folder, path, "--endpoint", url, "--model", "j")
        assert len(asked) == 8
        printed = _call("judge", folder, path, "--endpoint", f"{url}/v1", "--model", "j", "--at-once", 1)
        assert len(asked) == 8  # all replies were kept
    assert told["win_rate"]["value"] == 1.0
    assert (told["num_failed"], told["kept"]) == (0, 0)
    assert {m["name"]: m["value"] for m in told["people"]}["observed_agreement"] == 0.5
    assert printed.exit_code == 0
    assert "cohen_kappa, judge and people" in printed.stdout
    assert "0 of 8 (0.0%)" in printed.stdout


def test_too_many_failed_verdicts_are_an_error_after_the_report(folder: Path) -> None:
    def script(question: str) -> tuple[int, str]:
        return (200, "Both fine.") if "question 2" in question else prefers_tuned(question)

    with judge_server(script) as (url, _):
        asked = ("judge", folder, "--endpoint", url, "--model", "j")
        result = _call(*asked)
        assert _call(*asked, "--max-failed", 0.25).exception is None
    assert isinstance(result.exception, LuthierError)
    assert result.exception.exit_code == 2
    assert "2 of 8 verdicts failed (25.0%)" in str(result.exception)
    assert "warning: item-3: no single VERDICT line" in result.stdout


def test_what_is_refused(folder: Path, tmp_path: Path) -> None:
    judge = ("judge", folder, "--endpoint", "http://127.0.0.1:9", "--model", "j")
    for arguments, told in (
        ((*judge, "--partial"), "has no effect without files of ratings"),
        (("import", tmp_path, "x.json"), "there is no key.json"),
        (("import", folder, "x.json"), "there is no such file"),
        (("make", tmp_path, "--out", folder, "--seed", 6), "another page's key"),
    ):
        result = _call(*arguments)
        assert isinstance(result.exception, LuthierError), arguments
        assert told in str(result.exception)
    assert _call("make", "a", "b", "c", "--out", tmp_path / "o").exit_code == 2
