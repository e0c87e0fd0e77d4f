"""The search of an attacker: one alteration at a time, the best so far kept, with a budget of queries for each row."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from random import Random
from typing import Protocol

from luthier.core.hashing import fingerprint
from luthier.data.augment.gate import DriftGate
from luthier.data.sample import Sample
from luthier.evaluate.robustness.victim import Verdict, Victim

_A_ROUND = 8
"""Candidates that are made from a text before the best of them is altered further."""
_PATIENCE = 3
"""Rounds in a row without a candidate that can be asked about, after which there are none left."""


@dataclass
class Standing:
    """Where the search on a row stands.

    Args:
        sample: The row.
        clean: What the model says about it.
        random: Makes every choice for this row.
        text: The text that is altered next.
        loss: Of that text.
        num_edits: Alterations that lie between the row's own text and that one.
    """

    sample: Sample
    clean: Verdict
    random: Random
    text: str
    loss: float
    num_edits: int = 0
    original: str = field(init=False)
    seen: set[str] = field(init=False)
    num_queries: int = 0
    num_candidates: int = 0
    num_misses: int = 0
    is_over: bool = False
    found: Broken | None = None

    def __post_init__(self) -> None:
        self.original = self.text
        self.seen = {self.text}

    def begin_again(self) -> None:
        """Return to the row's own text."""
        self.text, self.loss, self.num_edits = self.original, self.clean.loss, 0


@dataclass(frozen=True, slots=True)
class Broken:
    """An alteration that made the model wrong.

    Args:
        text: After it.
        verdict: What the model says then.
    """

    text: str
    verdict: Verdict


@dataclass(frozen=True, slots=True)
class Attacked:
    """What became of a row.

    Args:
        num_queries: Times that the model was asked; up to and with the one that broke the row.
        could_try: Whether there was any alteration to ask about.
        broken: What made the model wrong; None where nothing did.
    """

    num_queries: int
    could_try: bool
    broken: Broken | None = None


class Proposer(Protocol):
    """Makes candidates: a text, altered in one place."""

    queries_a_round: int
    """What proposing itself costs each row: 1 where it needs a gradient."""

    def propose(self, standings: Sequence[Standing], count: int) -> list[list[str]]:
        """Return for each row at most ``count`` candidates, of its text as it stands, the most promising first."""


@dataclass(frozen=True)
class Budget:
    """How far an attack may go.

    Args:
        queries: Times that the model may be asked about a row.
        edits: Alterations of a text.
    """

    queries: int
    edits: int


def attack(
    victim: Victim,
    rows: Sequence[tuple[Sample, Verdict]],
    proposer: Proposer,
    budget: Budget,
    *,
    gate: DriftGate,
    name: str,
    seed: int,
    tell: Callable[[int], None] = lambda done: None,
) -> list[Attacked]:
    """Search each row for an alteration that makes the model wrong.

    All rows go round by round together, so that the model answers in batches, yet each row's search depends on
    nothing but the row: candidates count as asked one after the other, and what a smaller budget finds, a greater one
    finds after as many queries. After each round the candidate with the greatest loss is altered further, if that is
    greater than before; after ``budget.edits`` alterations the search begins again from the row's own text.

    Args:
        victim: The model.
        rows: Rows that it has right, each with what it says about it.
        proposer: Makes candidates.
        budget: Of each row.
        gate: Candidates that drift too far from the row are no attack; it costs no queries.
        name: Of the attack, for its choices.
        seed: Makes every choice.
        tell: Told how many rows are done.
    """
    standings = []
    for sample, clean in rows:
        random = Random(fingerprint(seed, name, sample.place))
        standings.append(Standing(sample, clean, random, victim.text_of(sample), clean.loss))
    while active := [standing for standing in standings if not standing.is_over]:
        _round(victim, active, proposer, budget, gate)
        tell(len(standings) - sum(not standing.is_over for standing in standings))
    return [
        Attacked(standing.num_queries, standing.num_candidates > 0, standing.found) for standing in standings
    ]


def _round(
    victim: Victim, active: Sequence[Standing], proposer: Proposer, budget: Budget, gate: DriftGate
) -> None:
    able = []
    for standing in active:
        # A gradient that leaves no query to use it would be wasted.
        if standing.num_queries + proposer.queries_a_round >= budget.queries:
            standing.is_over = True
        else:
            able.append(standing)
    proposals = proposer.propose(able, _A_ROUND)
    candidates: list[tuple[Standing, str]] = []
    for standing, texts in zip(able, proposals, strict=True):
        new = [text for text in dict.fromkeys(texts) if text not in standing.seen]
        standing.seen.update(new)
        candidates += [(standing, text) for text in new]
    kept = _meant_alike(candidates, gate)
    verdicts = victim.ask([victim.with_text(standing.sample, text) for standing, text in kept])
    answered: dict[int, list[tuple[str, Verdict]]] = {}
    for (standing, text), verdict in zip(kept, verdicts, strict=True):
        if verdict is not None:
            answered.setdefault(id(standing), []).append((text, verdict))
    for standing in able:
        standing.num_queries += proposer.queries_a_round
        if found := answered.get(id(standing)):
            standing.num_misses = 0
            _judge(standing, found, budget)
        elif standing.num_edits:
            standing.begin_again()
        else:
            standing.num_misses += 1
            standing.is_over = standing.num_misses >= _PATIENCE


def _meant_alike(candidates: list[tuple[Standing, str]], gate: DriftGate) -> list[tuple[Standing, str]]:
    """Return the candidates that the gate lets pass."""
    if gate.min_similarity is None and gate.max_edit_distance is None:
        return candidates
    drifts = gate.measure([(standing.original, text) for standing, text in candidates])
    return [each for each, drift in zip(candidates, drifts, strict=True) if gate.fault(drift) is None]


def _judge(standing: Standing, found: Sequence[tuple[str, Verdict]], budget: Budget) -> None:
    """Count the answers of a round one after the other, and decide what is altered next."""
    best: tuple[str, Verdict] | None = None
    for text, verdict in found:
        if standing.num_queries == budget.queries:
            break
        standing.num_queries += 1
        standing.num_candidates += 1
        if not verdict.is_right:
            standing.found = Broken(text, verdict)
            standing.is_over = True
            return
        if best is None or verdict.loss > best[1].loss:
            best = (text, verdict)
    if standing.num_queries == budget.queries:
        standing.is_over = True
    elif best is not None and best[1].loss > standing.loss:
        standing.text, standing.loss = best[0], best[1].loss
        standing.num_edits += 1
        if standing.num_edits == budget.edits:
            standing.begin_again()
