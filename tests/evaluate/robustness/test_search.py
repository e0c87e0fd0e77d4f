"""The search: queries are counted one by one, budgets hold, and a row's fate hangs on nothing but the row."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from luthier.data.augment.gate import DriftGate
from luthier.data.sample import Sample
from luthier.evaluate.robustness.budget import success_curve
from luthier.evaluate.robustness.search import Attacked, Budget, Standing, attack
from luthier.evaluate.robustness.victim import Verdict


class CountingVictim:
    """Is wrong from a number of exclamation marks on; the loss is that number. Refuses texts with a 7."""

    def __init__(self, limits: dict[str, int]) -> None:
        self.limits = limits
        self.asked: list[str] = []

    def ask(self, samples: Sequence[Sample]) -> list[Verdict | None]:
        return [self._verdict(sample) for sample in samples]

    def _verdict(self, sample: Sample) -> Verdict | None:
        text = sample.text or ""
        if "7" in text:
            return None
        self.asked.append(text)
        marks = text.count("!")
        is_right = marks < self.limits[text.strip("!0123456789")]
        return Verdict("right" if is_right else "wrong", is_right, float(marks))

    def text_of(self, sample: Sample) -> str:
        return sample.text or ""

    def with_text(self, sample: Sample, text: str) -> Sample:
        return Sample(sample.source, sample.row, text=text)

    def wrong_answers(self, sample: Sample) -> Sequence[str]:
        return ()


class Marks:
    """Proposes the text with a digit more, seven times, and then with a mark more."""

    def __init__(self, cost: int = 0, digits: str = "1234568") -> None:
        self.queries_a_round = cost
        self.digits = digits

    def propose(self, standings: Sequence[Standing], count: int) -> list[list[str]]:
        return [
            [*(f"{standing.text}{digit}" for digit in self.digits), f"{standing.text}!"][:count]
            for standing in standings
        ]


def _rows(*texts: str) -> list[tuple[Sample, Verdict]]:
    return [(Sample("a", n, text=text), Verdict("right", True, 0.0)) for n, text in enumerate(texts, 1)]


def _attack(
    victim: CountingVictim,
    queries: int,
    *texts: str,
    edits: int = 5,
    cost: int = 0,
    digits: str = "1234568",
    gate: DriftGate | None = None,
) -> list[Attacked]:
    return attack(
        victim,
        _rows(*texts),
        Marks(cost, digits),
        Budget(queries, edits),
        gate=gate or DriftGate(),
        name="test",
        seed=0,
    )


def test_queries_are_those_of_an_attacker_who_asks_one_by_one() -> None:
    """Each round asks eight, the mark last: two marks need sixteen questions."""
    (found,) = _attack(CountingVictim({"a": 2}), 100, "a")
    assert found.num_queries == 16
    assert found.broken is not None and found.broken.text == "a!!"
    (found,) = _attack(CountingVictim({"a": 2}), 100, "a", cost=1)
    assert found.num_queries == 18, "a gradient for each round is a query too"


@pytest.mark.parametrize(("queries", "is_broken"), [(15, False), (16, True), (17, True)])
def test_the_budget_is_never_exceeded_and_used_to_the_last(queries: int, is_broken: bool) -> None:
    victim = CountingVictim({"a": 2})
    (found,) = _attack(victim, queries, "a")
    assert (found.broken is not None) == is_broken
    assert found.num_queries == min(queries, 16)


def test_a_smaller_budget_finds_what_the_curve_says() -> None:
    limits = {"a": 1, "b": 2, "c": 3, "d": 99}
    all_found = _attack(CountingVictim(limits), 40, *limits)
    curve = dict(success_curve(all_found, 40))
    for queries in (1, 7, 8, 15, 16, 23, 24, 40):
        found = _attack(CountingVictim(limits), queries, *limits)
        assert curve[queries] == sum(each.broken is not None for each in found) / 4
        assert max(each.num_queries for each in found) <= queries
    assert curve[0] == 0.0 and curve[24] == 0.75


def test_edits_are_limited() -> None:
    (found,) = _attack(CountingVictim({"a": 3}), 200, "a", edits=2)
    assert found.broken is None
    (found,) = _attack(CountingVictim({"a": 3}), 200, "a", edits=3)
    assert found.broken is not None


def test_rows_do_not_hang_on_each_other() -> None:
    limits = {"a": 2, "b": 1, "c": 3}
    together = _attack(CountingVictim(limits), 30, *limits)
    alone = [_attack(CountingVictim(limits), 30, text)[0] for text in limits]
    assert together == alone


def test_candidates_that_cannot_be_read_cost_nothing() -> None:
    (found,) = _attack(CountingVictim({"a": 1}), 100, "a", digits="77")
    assert found.num_queries == 1
    (found,) = _attack(CountingVictim({"a": 1}), 100, "a", digits="7777777777")
    assert not found.could_try and found.num_queries == 0 and found.broken is None


def test_the_gate_keeps_candidates_back_and_costs_no_query() -> None:
    strict = DriftGate(max_edit_distance=0.01)
    (found,) = _attack(CountingVictim({"a": 1}), 100, "a", gate=strict)
    assert not found.could_try and found.num_queries == 0
    loose = DriftGate(max_edit_distance=0.6)
    (found,) = _attack(CountingVictim({"a": 2}), 100, "a", gate=loose)
    assert found.broken is None, "a!! differs in two of three characters"


def test_no_candidate_is_asked_twice() -> None:
    victim = CountingVictim({"a": 99})
    _attack(victim, 60, "a", edits=2)
    assert len(victim.asked) == len(set(victim.asked))
