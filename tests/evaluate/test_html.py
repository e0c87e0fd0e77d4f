"""The report is one file without references, escapes what models and rows say, and never breaks on little."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from typing import Any

import pytest

from luthier.core.charts import Series, line_chart, smoothed
from luthier.evaluate.html import render_report

VOID = {"meta", "link", "br", "hr", "img", "input", "circle", "line", "polyline"}
HOSTILE = "<script>alert(1)</script><img src=x onerror=alert(2)>\"'{{ 7 * 7 }}{% raw %}</dd></main>"


class Page(HTMLParser):
    """Checks that tags are closed in order, and collects tags with attributes and text."""

    def __init__(self, source: str) -> None:
        super().__init__(convert_charrefs=True)
        self.open: list[str] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.feed(source)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if not {"style", "script"} & set(self.open):
            self.text += data


def _interval(value: float, low: float, high: float) -> dict[str, float]:
    return {"value": value, "low": low, "high": high}


def _split(rows: int) -> dict[str, Any]:
    return {
        "rows": rows, "tokens": rows * 50, "supervised_tokens": rows * 20, "truncated": {"rows": 1},
        "answers_without_end_token": {"rows": 0},
    }  # fmt: skip


def _content(**changes: Any) -> dict[str, Any]:
    content = {
        "run": {"name": "made", "id": "made-1", "objective": "sft", "method": "lora", "base": "tiny",
                "finished": "2026-01-01 00:00 UTC"},
        "training": {"steps": 20, "parameters": 12345, "total_parameters": 135_000_000, "tokens_per_second": 1000,
                     "tensors_moved": 4, "tensors_trained": 4},
        "data": {"eval_examples": 50, "splits": {"train": _split(500), "eval": _split(50)}, "left_out": {}},
        "history": [{"step": n, "loss": 3.0 - n / 10} for n in range(1, 21)] + [{"step": 20, "eval_loss": 1.5}],
        "made_with": {"Luthier": "0.1.0"},
        "confidence": 0.95,
        "metrics": [
            {"metric": "eval_loss", "lower_is_better": True, "num_rows": 50, "base": _interval(2.0, 1.9, 2.1),
             "tuned": _interval(1.5, 1.4, 1.6), "improvement": _interval(0.25, 0.2, 0.3), "p_value": 0.0005,
             "p_adjusted": 0.001, "effect": {"name": "Cohen's d of pairs", "value": 0.61, "size": "medium"},
             "num_clusters": 20},
            {"metric": "rouge_l", "lower_is_better": False, "num_rows": 16, "base": _interval(0.0, 0.0, 0.0),
             "tuned": _interval(0.5, 0.4, 0.6), "improvement": None, "p_value": 0.02,
             "p_adjusted": 0.02, "effect": None, "num_clusters": None},
        ],
        "gates": [{"text": "eval_loss ≤ 1.7: is 1.5", "passed": True}],
        "passed": True,
        "generations": [{"row": "made.jsonl, row 1", "prompt": "q", "reference": "r", "base": "", "tuned": "t"}],
        "proofs": {},
    }  # fmt: skip
    return {**content, **changes}


def _plain(page: Page) -> str:
    return " ".join(page.text.split())


class TestPage:
    def test_it_tells_what_was_measured(self) -> None:
        text = _plain(Page(render_report(_content())))
        for told in ("2 → 1.5", "+25.0%", "+20.0% to +30.0%", "1.4 to 1.6", "p ≤ 0.0005", "p = 0.02", "95 %",
                     "the base scores 0", "12,345", "corrected 0.001", "medium effect, d = 0.61",
                     "of 20 sources", "eval_loss ≤ 1.7: is 1.5", "(nothing)"):  # fmt: skip
            assert told in text

    def test_it_is_one_file_without_references(self) -> None:
        source = render_report(_content())
        for tag, attributes in Page(source).tags:
            assert tag not in {"link", "img", "iframe", "object", "embed", "base", "form"}
            assert not {"src", "href", "xlink:href", "srcset", "action", "data"} & set(attributes)
        assert not re.search(r"https?:|//[a-z]|url\(|@import|fetch|XMLHttp", source)

    def test_answers_can_be_filtered_by_how_they_went(self) -> None:
        answers = {
            "better wrong": ("no", "the right word"),
            "worse wrong": ("the right word", "no"),
            "better": ("no", "the right one"),
        }
        row = {"row": "a", "prompt": "p", "reference": "the right one"}
        turns = [{**row, "base": base, "tuned": tuned} for base, tuned in answers.values()]
        page = Page(render_report(_content(generations=turns)))
        kinds = [attributes["data-kinds"] for tag, attributes in page.tags if tag == "dl"]
        assert [set(kind.split()) for kind in kinds if kind] == [set(kind.split()) for kind in answers]
        offered = [attributes.get("value") for tag, attributes in page.tags if tag == "option"]
        assert offered == ["", "wrong", "worse", "better"]

    def test_hostile_text_is_shown_and_not_run(self) -> None:
        split = {"train": _split(1), "eval": _split(1)}
        left_out = {HOSTILE: {"rows": 1, "first": [f"{HOSTILE}.jsonl, row 3"], "detail": HOSTILE}}
        content = _content(
            run={name: HOSTILE for name in ("name", "id", "objective", "method", "base", "finished")},
            generations=[{name: HOSTILE for name in ("row", "prompt", "reference", "base", "tuned")}],
            gates=[{"text": HOSTILE, "passed": False}],
            data={"eval_examples": 1, "splits": split, "left_out": left_out},
            made_with={HOSTILE: HOSTILE},
            proofs={"prompts": {"prompts_equal": 1, "prompt_tokens_equal": 1, "rows": 1, "end_tokens_that_stop": 1,
                                "stop_tokens": [HOSTILE]}},
        )  # fmt: skip
        source = render_report(content)
        page = Page(source)
        assert [tag for tag, _ in page.tags if tag in ("script", "img")] == ["script"]  # the page's own
        assert not [a for _, attributes in page.tags for a in attributes if a.startswith("on")]
        # Shown to the letter in every place: title, heading, five in the line below, four of an answer,
        # gate, reason, row, detail, both sides of the last table, and a stop token.
        assert page.text.count(HOSTILE) >= 16
        assert "49" not in page.text

    def test_gates_that_failed_are_told(self) -> None:
        gates = [{"text": "rouge_l ≥ 0.9", "passed": False}, {"text": "eval_loss ≤ 2", "passed": True}]
        text = _plain(Page(render_report(_content(gates=gates, passed=False))))
        assert "failed2 gates" in text
        assert "failed: rouge_l ≥ 0.9 passed: eval_loss ≤ 2" in text

    @pytest.mark.parametrize(
        ("changes", "absent"),
        [
            ({"gates": []}, "Gates"),
            ({"generations": []}, "Answers side by side"),
            ({"history": []}, "Loss over training"),
            ({"metrics": []}, "2 → 1.5"),
        ],
    )
    def test_what_there_is_none_of_has_no_heading(self, changes: dict[str, Any], absent: str) -> None:
        assert absent in _plain(Page(render_report(_content())))
        assert absent not in _plain(Page(render_report(_content(**changes))))

    def test_one_training_step_shows_a_dot(self) -> None:
        page = Page(render_report(_content(history=[{"step": 1, "loss": 2.0}])))
        assert "circle" in {tag for tag, _ in page.tags}
        assert "Loss over training" in page.text

    def test_an_end_without_limit_is_told_in_words(self) -> None:
        (loss, rouge) = _content()["metrics"]
        endless = {**rouge, "improvement": _interval(15.0, 2.0, float("inf"))}
        text = _plain(Page(render_report(_content(metrics=[loss, endless]))))
        assert "+200.0% to no limit" in text
        assert "inf" not in text.replace("information", "")


class TestChart:
    @staticmethod
    def _drawn(*points: tuple[float, float]) -> Page:
        return Page(line_chart([Series("line", points, "first")], x_label="x", y_label="y"))

    @pytest.mark.parametrize(
        "points",
        [
            [(1, 2.0)],
            [(1, 0.0)],
            [(1, 2.0), (2, 2.0), (3, 2.0)],
            [(1, 0.0), (2, 1e-12)],
            [(1, 1e17), (2, 1e17)],
            [(1, -3.0), (50_000, 4.0)],
        ],
    )
    def test_every_point_lies_inside_the_frame(self, points: list[tuple[float, float]]) -> None:
        page = self._drawn(*points)
        (line,) = [attributes for tag, attributes in page.tags if tag == "polyline"]
        placed = [tuple(map(float, pair.split(","))) for pair in str(line["points"]).split()]
        assert len(placed) == len(points)
        assert all(56 <= x <= 704 and 32 <= y <= 240 for x, y in placed)
        assert not re.search("nan|inf", str(page.tags))

    def test_places_and_ticks_of_a_known_line(self) -> None:
        page = self._drawn((0, 0.0), (10, 100.0))
        (line,) = [attributes for tag, attributes in page.tags if tag == "polyline"]
        assert line["points"] == "56.0,240.0 704.0,32.0"  # from corner to corner of the frame
        # Round steps of at least a sixth upwards and an eighth to the right; names around them.
        assert page.text == "y" + "020406080100" + "0246810" + "x" + "line"

    def test_names_are_escaped(self) -> None:
        page = Page(line_chart([Series(HOSTILE, [(1, 1.0)], "first")], x_label=HOSTILE, y_label=HOSTILE))
        assert not {"script", "img"} & {tag for tag, _ in page.tags}
        assert page.text.count(HOSTILE) == 3

    def test_nothing_to_draw_is_nothing(self) -> None:
        assert line_chart([], x_label="x", y_label="y") == ""
        assert line_chart([Series("line", [], "first")], x_label="x", y_label="y") == ""

    def test_the_running_mean_is_centred(self) -> None:
        points = [(float(n), float(n * n)) for n in range(5)]
        # Of three neighbours: (0+1)/2, (0+1+4)/3, (1+4+9)/3, (4+9+16)/3, (9+16)/2.
        assert [y for _, y in smoothed(points)] == pytest.approx([0.5, 5 / 3, 14 / 3, 29 / 3, 12.5])
        assert smoothed([]) == []
        assert smoothed([(1, 2.0)]) == [(1, 2.0)]
