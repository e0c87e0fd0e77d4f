"""Findings on generalization: what is lost out of the domain, with examples and in general, and what to do."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from luthier.core.wording import count_of
from luthier.evaluate.examination import Figure, Finding
from luthier.evaluate.statistics import Interval

MUCH_LOST = 0.05
"""Growth of the loss on general texts that is called a loss of ability: at 3 nats, 16 % more perplexity."""
MUCH_DROPPED = 0.1
"""Drop of a score out of the domain that is called large."""


def findings_of(figures: Sequence[Figure], details: Mapping[str, Any]) -> list[Finding]:
    """Return findings, the bad ones first."""
    named = {figure.name.removeprefix("generalization."): figure for figure in figures}
    found = [finding for name, figure in named.items() for finding in _of_figure(name, figure, named)]
    for name, note in details["sets"].items():
        if note["trained"]:
            text = f"{count_of(note['trained'], 'row')} of the set {name} were trained, and are left out"
            found.append(Finding(text, "their tokens are equal to those of training rows"))
    if (shots := details.get("shots")) and shots["too_long"]:
        text = (
            f"{count_of(shots['too_long'], 'question')} were left out, for examples did not fit before them"
        )
        found.append(Finding(text, f"{count_of(shots['questions'], 'question')} remain"))
    return sorted(found, key=lambda finding: not finding.is_bad)


def _of_figure(name: str, figure: Figure, named: Mapping[str, Figure]) -> list[Finding]:
    kind, _, own = name.partition(".")
    if figure.value is None:
        return [Finding(f"{figure.title}: undefined", figure.why_undefined)]
    if kind == "eval_loss" and figure.improvement is not None:
        return [_carried(own, figure.improvement)]
    if kind == "drop" and f"score.{own}" in named:
        return [_dropped(own, figure.value, named[f"score.{own}"])]
    if kind == "ability_loss":
        return [_ability(own or "all general texts", figure.value)]
    if kind == "shot_gain" and figure.base is not None:
        return [_shots(own, figure.value, figure.base)]
    return []


def _carried(own: str, gain: Interval) -> Finding:
    evidence = f"loss {gain.shown('.1%')} lower than the base's"
    if gain.high < 0:
        cure = "rows of that domain among data.train, a smaller train.learning_rate, fewer train.num_train_epochs"
        return Finding(f"{own}: the model is worse than its base there", evidence, cure, True)
    if gain.low > 0:
        return Finding(f"{own}: what was learnt carries there", evidence)
    return Finding(f"{own}: no difference to the base is proved", evidence)


def _dropped(own: str, drop: Interval, score: Figure) -> Finding:
    evidence = f"{drop.shown('.1%')} worse than in the domain"
    if score.value is not None:
        evidence += f", {score.title} {score.value.value:.4g}"
    if drop.low > MUCH_DROPPED:
        return Finding(
            f"{own}: the model is far worse there", evidence, "rows of that domain among data.train", True
        )
    return Finding(f"{own}: not proved to be far worse there", evidence)


def _ability(own: str, grown: Interval) -> Finding:
    evidence = f"loss grew by {grown.shown('.1%')}, relative to the base's"
    if grown.low > MUCH_LOST:
        cure = "a smaller train.learning_rate or method.r, fewer epochs, or general rows among data.train"
        return Finding(f"general ability was lost ({own})", evidence, cure, True)
    if grown.low > 0:
        return Finding(f"a little general ability was lost ({own})", evidence)
    return Finding(f"no loss of general ability is proved ({own})", evidence)


def _shots(count: str, gain: Interval, base: Interval) -> Finding:
    evidence = f"{count} examples save {gain.shown('.1%')} of the loss, of the base's {base.shown('.1%')}"
    if base.low > 0 and gain.high < 0:
        cure = "rows with examples before the question among data.train, or fewer epochs"
        return Finding(
            "examples in the prompt make the model worse, and its base better", evidence, cure, True
        )
    return Finding(f"{count} examples {'help' if gain.low > 0 else 'are not proved to help'}", evidence)
