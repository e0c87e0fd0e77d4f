"""Column charts: every count has its column, as high as it should be, and says what it covers."""

from __future__ import annotations

import math
import re

import pytest

from luthier.core.charts import Estimate, column_chart, interval_chart


def test_columns_are_as_high_as_their_counts() -> None:
    chart = column_chart([3, 0, 6], width=10, x_label="characters", y_label="rows <b>")
    heights = [float(height) for height in re.findall(r'<rect[^>]* height="([0-9.]+)"', chart)]
    assert heights[1] == 0 and heights[2] == pytest.approx(2 * heights[0])
    titles = re.findall("<title>(.*?)</title>", chart)
    assert titles == ["0 to 9: 3", "10 to 19: 0", "20 and over: 6"]
    assert "rows &lt;b&gt;" in chart and "<b>" not in chart


def test_nothing_is_no_chart() -> None:
    assert column_chart([0, 0], width=1, x_label="x", y_label="y") == ""


def test_intervals_stand_one_below_the_other() -> None:
    estimates = [Estimate("few <shot>", 0.5, 0.4, 0.6), Estimate("zero", 0.2, 0.1, 0.3)]
    chart = interval_chart(estimates, x_label="accuracy")
    assert chart.count("<circle") == chart.count("<polyline") == 2
    assert "few &lt;shot&gt;: 0.5 (0.4 to 0.6)" in chart
    places = [float(x) for x in re.findall(r'<circle class="first" cx="([\d.]+)"', chart)]
    assert places[0] > places[1]
    assert interval_chart([], x_label="accuracy") == ""


@pytest.mark.parametrize("others", [[], [Estimate("pass@2", 0.5, 0.4, 0.6)]])
def test_intervals_without_limits_reach_the_edges(others: list[Estimate]) -> None:
    chart = interval_chart([Estimate("pass@1", 0.3, -math.inf, math.inf), *others], x_label="share")
    begin, end = re.findall(r'<polyline class="first" points="([\d.]+),\d+ ([\d.]+),\d+"', chart)[0]
    assert (float(begin), float(end)) == (210.0, 704.0)
    assert "pass@1: 0.3 (-inf to inf)" in chart and 'x="nan' not in chart and 'x="inf' not in chart
