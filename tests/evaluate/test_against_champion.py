"""Figures of examinations are compared with the champion by asking it the same, or the reason is given why not."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from luthier.evaluate.against_champion import gains_over_champion
from luthier.evaluate.asked import Asked, Champion, Partner
from luthier.evaluate.examination import Examined, Figure, HeldOut, Subject
from luthier.evaluate.examinations import EXAMINATIONS
from luthier.evaluate.gates import check_gates
from luthier.evaluate.judged import ChampionResult, gain_left_possible, judged_figures
from luthier.evaluate.statistics import Interval, Resampling
from luthier.recipe.evaluate_sections.gate import Gate

MODEL, BASE, CHAMPION = 0.2, 0.5, 0.4
"""What a model is here: its share of failures."""


class Probe:
    """Compares `paired` with the base by the same draws, and `alone` with nothing."""

    def __init__(self, section: Any) -> None:
        self.section = section

    def examine(self, subject: Subject) -> Examined:
        own, base = subject.load(), subject.load_base() if subject.load_base else None
        gain = None if base is None else Interval(1 - own / base, 0.9 - own / base, 1.1 - own / base)
        around = Interval(own, own - 0.05, own + 0.05)
        course = around if subject.history else None
        return Examined(
            self.section.name,
            "Probe",
            [
                Figure(f"{self.section.name}.paired", "Paired", around, True, 80, improvement=gain),
                Figure(f"{self.section.name}.alone", "Alone", around, True, 80),
                Figure(f"{self.section.name}.course", "Course", course, True, 80, why_undefined="no history"),
            ],
        )


def _asked(monkeypatch: pytest.MonkeyPatch, champion: Champion, name: str = "robustness") -> Asked:
    monkeypatch.setitem(EXAMINATIONS, name, Probe)  # type: ignore[arg-type]
    section = SimpleNamespace(name=name, figure_names_in=lambda folder: (f"{name}.*",))
    gates = [
        Gate(metric=f"{name}.{which}", relative_to="champion", better_by=0.1)
        for which in ("paired", "alone", "course")
    ]
    events = SimpleNamespace(emit=lambda *args, **more: None)
    subject = Subject(
        lambda: MODEL, lambda: BASE, None, None, None, HeldOut([], []), None, [{"step": 1}],  # type: ignore[arg-type]
        torch.float32, Resampling(100, 0.95, 1),
    )  # fmt: skip
    settings = SimpleNamespace(examinations={name: section})
    return Asked(subject, settings, gates, {}, Path(), "", events, champion)  # type: ignore[arg-type]


def _examined(asked: Asked) -> list[Examined]:
    return [Probe(section).examine(asked.subject) for section in asked.settings.examinations.values()]


def test_it_is_compared_by_the_same_draws_where_there_are_any_and_else_by_both_intervals(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    asked = _asked(monkeypatch, Champion("models:/m/1", Partner("champion", lambda: CHAMPION)))
    gains = gains_over_champion(asked, _examined(asked))
    assert gains["robustness.paired"].interval == Interval(0.5, pytest.approx(0.4), pytest.approx(0.6))
    # 0.35 to 0.45 before and 0.15 to 0.25 after: at least (0.35 - 0.25) / 0.35, at most (0.45 - 0.15) / 0.45.
    assert gains["robustness.alone"].interval == Interval(
        pytest.approx(0.5), pytest.approx(0.1 / 0.35), pytest.approx(0.3 / 0.45)
    )
    assert gains["robustness.course"].why_none == "it is undefined for the champion: no history"
    judged = judged_figures([], _examined(asked), ChampionResult("models:/m/1", gains=gains))
    assert [result.passed for result in check_gates(asked.gates, judged)] == [True, True, False]


def test_a_champion_that_is_no_worse_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = _asked(monkeypatch, Champion("models:/m/1", Partner("champion", lambda: MODEL)))
    gains = gains_over_champion(asked, _examined(asked))
    judged = judged_figures([], _examined(asked), ChampionResult("models:/m/1", gains=gains))
    assert not any(result.passed for result in check_gates(asked.gates, judged))


def test_only_what_gates_compare_is_asked_of_it(monkeypatch: pytest.MonkeyPatch) -> None:
    def load() -> Any:
        raise AssertionError("no gate asks for the champion")

    asked = _asked(monkeypatch, Champion("models:/m/1", Partner("champion", load)))
    asked = replace(asked, gates=[Gate(metric="robustness.paired", max=1.0)])
    assert gains_over_champion(asked, _examined(asked)) == {}


def test_another_tokenizer_would_be_asked_something_else(monkeypatch: pytest.MonkeyPatch) -> None:
    side: Any = object()
    champion = Champion("models:/m/1", Partner("champion", lambda: CHAMPION, side))
    asked = _asked(monkeypatch, champion)
    gains = gains_over_champion(asked, _examined(asked))
    assert all(gain.interval is None and "another tokenizer" in gain.why_none for gain in gains.values())
    assert len(gains) == 3


@pytest.mark.parametrize("name", ["fitting", "memorization"])
def test_figures_of_trained_rows_need_a_champion_of_the_same_rows(
    monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    champion = Champion("models:/m/1", Partner("champion", lambda: CHAMPION))
    for alike in (False, True):
        asked = _asked(monkeypatch, replace(champion, trained_alike=alike), name)
        gain = gains_over_champion(asked, _examined(asked))[f"{name}.paired"]
        assert (gain.interval is not None) is alike
        assert alike or "trained on other rows" in gain.why_none


def test_a_share_that_may_be_0_has_no_relative_improvement() -> None:
    gain = gain_left_possible(
        Interval(0.1, 0.0, 0.2), Interval(0.05, 0.0, 0.1), "champion", lower_is_better=True
    )
    assert gain.interval is None and "reaches 0" in gain.why_none


def test_higher_is_better_turns_the_sign() -> None:
    gain = gain_left_possible(Interval(0.5, 0.4, 0.6), Interval(0.9, 0.8, 1.0), "base", lower_is_better=False)
    # At least from 0.6 to 0.8, at most from 0.4 to 1.0.
    assert gain.interval == Interval(pytest.approx(0.8), pytest.approx(0.2 / 0.6), pytest.approx(1.5))
