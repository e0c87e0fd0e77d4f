"""`luthier ab`: what a user types, what is told, and what is refused."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner

from luthier.cli.ab.group import ab
from luthier.core.errors import LuthierError

Row = dict[str, Any]


def call(*arguments: object) -> str:
    result = CliRunner().invoke(ab, [str(one) for one in arguments], catch_exceptions=True)
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    assert result.exit_code == 0, result.output
    return result.output


def write(path: Path, rows: list[Row]) -> Path:
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    return path


def experiment(
    num_users: int = 2000, uplift: float = 0.0, share: float = 0.5, spread: float = 1.0, seed: int = 0
) -> list[Row]:
    generator = np.random.default_rng(seed)
    rows: list[Row] = []
    for user in range(num_users):
        treated = generator.random() < share
        before = generator.gamma(2, 2)
        rate = 0.2 * (1 + uplift * treated)
        views = int(generator.geometric(0.3))
        rows.append(
            {
                "user": f"u{user}",
                "variant": "treatment" if treated else "control",
                "country": "DE" if user % 3 else "CN",
                "before": round(before, 3),
                "bought": int(generator.random() < rate),
                "views": views,
                "clicks": int(generator.binomial(views, rate)),
                "spent": round(3 * before + spread * generator.normal() + uplift * treated, 3),
            }
        )
    return rows


@pytest.fixture
def file(tmp_path: Path) -> Callable[..., Path]:
    return lambda **how: write(tmp_path / "rows.csv", experiment(**how))


def analysed(path: Path, *options: object) -> dict[str, Any]:
    return json.loads(call("analyze", path, "--json", *options))


def test_a_gain_and_a_regression_are_found(file: Callable[..., Path]) -> None:
    for uplift, verdict in ((0.9, "better"), (-0.7, "worse")):
        found = analysed(file(uplift=uplift), "--metric", "bought", "--planned-units", 1000)["comparisons"][0]
        sequential = found["sequential"]
        assert sequential["verdict"] == verdict and found["kind"] == "rate"
        assert (sequential["difference"]["low"] > 0) == (uplift > 0)
        assert 10 < sequential["first_found"] < 2000 and found["fixed"]["p_value"] < 0.001
    turned = analysed(file(uplift=-0.7), "--metric", "bought", "--lower-is-better", "bought")
    assert turned["comparisons"][0]["sequential"]["verdict"] == "better"


def test_no_effect_is_undecided(file: Callable[..., Path]) -> None:
    found = analysed(file(), "--metric", "bought", "--metric", "clicks/views")
    assert [one["sequential"]["verdict"] for one in found["comparisons"]] == ["undecided"] * 2
    assert not found["sample_ratio"]["is_mismatch"]
    low, high = found["rates"]["bought"]["control"]
    assert low < 0.2 < high


def test_the_covariate_and_strata_narrow_both_intervals(file: Callable[..., Path]) -> None:
    path = file(uplift=0.5)
    options = ("--metric", "spent", "--planned-units", 2000)
    plain = analysed(path, *options)["comparisons"][0]
    adjusted = analysed(path, *options, "--covariate", "before", "--stratum", "country")["comparisons"][0]
    assert adjusted["fixed"]["test"] == "Welch's t, post-stratified, CUPED"
    for one in ("fixed", "sequential"):
        narrow, wide = (of[one] if one == "fixed" else of[one]["difference"] for of in (adjusted, plain))
        assert narrow["high"] - narrow["low"] < 0.4 * (wide["high"] - wide["low"])


def test_rows_of_a_unit_are_added_up(tmp_path: Path) -> None:
    rows = experiment(300)
    doubled = write(tmp_path / "twice.csv", [row for row in rows for _ in range(2)])
    once = write(tmp_path / "once.csv", rows)
    metric = ("--metric", "clicks/views")
    assert analysed(doubled, *metric, "--unit", "user")["comparisons"][0]["fixed"][
        "p_value"
    ] == pytest.approx(analysed(once, *metric)["comparisons"][0]["fixed"]["p_value"])


def test_several_treatments_are_corrected(tmp_path: Path) -> None:
    generator = np.random.default_rng(1)
    rows = [
        {"variant": "abc"[generator.integers(3)], "won": int(generator.random() < 0.3)} for _ in range(900)
    ]
    shares = "a=1,b=1,c=1"
    options = ("--metric", "won", "--control", "a", "--shares", shares)
    found = analysed(write(tmp_path / "rows.csv", rows), *options)
    p_values = [one["fixed"]["p_value"] for one in found["comparisons"]]
    adjusted = [one["adjusted_p_value"] for one in found["comparisons"]]
    assert min(adjusted) == pytest.approx(min(1.0, 2 * min(p_values)))
    assert found["chi_square"]["won"]["freedom"] == 2


def test_a_wrong_ratio_and_a_wrong_order_raise_the_alarm(tmp_path: Path, file: Callable[..., Path]) -> None:
    assert "nothing below can be trusted" in call("analyze", file(share=0.4), "--metric", "bought")
    by_variant = write(tmp_path / "sorted.csv", sorted(experiment(), key=lambda row: row["variant"]))
    assert analysed(by_variant, "--metric", "bought")["sample_ratio"]["is_mismatch"]
    rows = [{**row, "at": number} for number, row in enumerate(experiment())]
    by_variant = write(tmp_path / "sorted.csv", sorted(rows, key=lambda row: row["variant"]))
    found = analysed(by_variant, "--metric", "bought", "--order-by", "at")
    assert not found["sample_ratio"]["is_mismatch"]


def test_a_margin_is_tested_one_sided(file: Callable[..., Path]) -> None:
    path = file()
    near, far = (
        analysed(path, "--metric", "bought", "--margin", f"bought={margin}")["comparisons"][0][
            "non_inferiority"
        ]
        for margin in (0.0, 0.15)
    )
    assert far < 0.001 < near


def test_the_table_is_for_people(file: Callable[..., Path]) -> None:
    text = call("analyze", file(uplift=0.9), "--metric", "bought")
    assert "at every look (may be read at any time)" in text and "better (first after" in text


Change = Callable[[list[Row]], None]
BAD: list[tuple[Change, tuple[str, ...], str]] = [
    (lambda rows: rows[4].update(bought="yes"), ("--metric", "bought"), "row 5: bought is 'yes', a number"),
    (lambda rows: rows[4].update(bought=""), ("--metric", "bought"), "row 5: bought is '', a number"),
    (lambda rows: rows[4].update(bought="nan"), ("--metric", "bought"), "row 5: bought is 'nan', a number"),
    (lambda rows: rows[4].update(views=-1), ("--metric", "clicks/views"), "row 5: views is -1"),
    (lambda rows: rows[4].update(variant=""), ("--metric", "bought"), "row 5: variant is empty"),
    (
        lambda rows: rows[4].update(variant="other"),
        ("--metric", "bought"),
        "row 5: variant 'other' is not planned",
    ),
    (lambda rows: [row.update(variant="control") for row in rows], ("--metric", "bought"), "has 0 units"),  # type: ignore[func-returns-value,return-value]
    (lambda rows: None, ("--metric", "bougt"), "row 1: there is no column 'bougt'"),
    (lambda rows: None, ("--metric", "clicks/"), "'clicks/' is no metric"),
    (lambda rows: None, ("--metric", "bought", "--unit", "country"), "has variant"),
    (lambda rows: None, ("--metric", "bought", "--stratum", "user"), "strata, at most 50"),
    (lambda rows: None, ("--metric", "bought", "--control", "a"), "'a' is not among --shares"),
    (lambda rows: None, ("--metric", "bought", "--shares", "control=1"), "two variants or more"),
    (lambda rows: None, ("--metric", "bought", "--shares", "control=x,treatment=1"), "is not NAME=NUMBER"),
    (lambda rows: None, ("--metric", "bought", "--margin", "spent=1"), "'spent' is not among --metric"),
    (lambda rows: None, ("--metric", "spent", "--bounds", "spent=0:1"), "outside of 0 to 1"),
    (lambda rows: None, ("--metric", "clicks/views", "--bounds", "clicks/views=0:1"), "rates and means only"),
]


@pytest.mark.parametrize(("change", "options", "told"), BAD)
def test_bad_input_is_told_with_its_cure(
    tmp_path: Path, change: Change, options: tuple[str, ...], told: str
) -> None:
    rows = experiment(120)
    change(rows)
    with pytest.raises(LuthierError) as error:
        call("analyze", write(tmp_path / "rows.csv", rows), *options)
    assert told in str(error.value) and "→" in str(error.value)


def test_plans_agree_with_power() -> None:
    plan = json.loads(call("plan", "--baseline", 0.1, "--effect", 0.01, "--json"))
    assert plan["units"] / 2 == pytest.approx(14_750.8, abs=1)  # statsmodels, vectors/19
    assert 1.5 < plan["sequential_units"] / plan["units"] < 1.8
    back = json.loads(call("plan", "--baseline", 0.1, "--units", plan["units"], "--json"))
    assert back["effect"] == pytest.approx(0.01, rel=1e-3)
    relative = json.loads(call("plan", "--baseline", 0.1, "--uplift", 0.1, "--comparisons", 4, "--json"))
    assert relative["units"] > 1.3 * plan["units"]
    assert "20.0 days" in call("plan", "--sd", 1, "--effect", 0.1, "--per-day", 157)


@pytest.mark.parametrize(
    ("options", "told"),
    [
        (("--effect", 0.1), "--baseline or --sd"),
        (("--baseline", 0.1), "one of --effect, --uplift and --units"),
        (("--sd", 1, "--uplift", 0.1), "--uplift has no effect"),
        (("--baseline", 0.9, "--effect", 0.2), "is 1.1"),
        (("--sd", 1, "--effect", 0), "effect of 0"),
        (("--baseline", 0.95, "--units", 10), "find no rise"),
    ],
)
def test_impossible_plans_are_refused(options: tuple[object, ...], told: str) -> None:
    with pytest.raises(LuthierError, match=told):
        call("plan", *options)


def test_assignment_sticks(tmp_path: Path) -> None:
    ids = write(tmp_path / "ids.csv", [{"id": f"u{n}"} for n in range(4000)])
    options = ("--experiment", "welcome", "--shares", "old=0.25,new=0.75")
    out = tmp_path / "out.csv"
    told = call("assign", ids, *options, "-o", out)
    again = json.loads(call("assign", ids, *options, "--json"))
    with out.open(encoding="utf-8") as file:
        assert [row["variant"] for row in csv.DictReader(file)] == [row["variant"] for row in again["rows"]]
    assert again["counts"]["old"] == pytest.approx(1000, abs=120) and "wrote" in told
    few = json.loads(call("assign", ids, *options, "--coverage", 0.1, "--json"))
    pairs = zip(few["rows"], again["rows"], strict=True)
    assert all(one["variant"] in ("", other["variant"]) for one, other in pairs)
    assert few["left_out"] == pytest.approx(3600, abs=120)


def test_ids_that_are_missing_are_told(tmp_path: Path) -> None:
    ids = write(tmp_path / "ids.csv", [{"id": "a", "n": 1}, {"id": "", "n": 2}])
    with pytest.raises(LuthierError, match="row 2: there is no 'id'"):
        call("assign", ids, "--experiment", "e")
    with pytest.raises(LuthierError, match="would replace the input"):
        call("assign", ids, "--experiment", "e", "-o", ids)
