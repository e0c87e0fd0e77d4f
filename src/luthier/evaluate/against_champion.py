"""Figures of examinations compared with the registered champion: it is asked the same, of the same rows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from luthier.evaluate.asked import Asked, Champion
from luthier.evaluate.examination import Examined, Figure
from luthier.evaluate.examinations import examine_all
from luthier.evaluate.judged import Gain, gain_left_possible
from luthier.recipe.evaluate_sections.examination import ExaminationSection

_OF_TRAINED_ROWS = ("fitting", "memorization")
"""Examinations whose figures mean nothing for a model that was trained on other rows."""


def gains_over_champion(asked: Asked, examined: Sequence[Examined]) -> dict[str, Gain]:
    """Return the gains over the champion of the figures that gates compare with it, by name.

    The champion stands in for the base, so that where an examination compares with the base by the same draws, it does
    so here. Of figures that it does not compare, the champion's own are measured, and both intervals decide.

    Args:
        asked: What the recipe asks for, and the champion.
        examined: What was found of the model.
    """
    champion = asked.champion
    if champion is None or champion.partner is None:
        return {}
    names = {gate.figure for gate in asked.gates if gate.relative_to == "champion"}
    gains: dict[str, Gain] = {}
    for each in examined:
        wanted = [figure for figure in each.figures if figure.name in names]
        if not wanted:
            continue
        if why := _why_not(each.name, champion):
            gains |= {figure.name: Gain(None, why) for figure in wanted}
        else:
            gains |= _gains(asked, each.name, asked.settings.examinations[each.name], wanted)
    return gains


def _why_not(examination: str, champion: Champion) -> str:
    """Return why a champion cannot be examined alike; empty where it can."""
    assert champion.partner is not None
    if champion.partner.side is not None:
        return f"the champion {champion.uri} has another tokenizer or template, and would be asked something else"
    if examination in _OF_TRAINED_ROWS and not champion.trained_alike:
        return (
            f"the champion {champion.uri} was trained on other rows, or nobody knows on which, "
            f"and {examination} is about them"
        )
    return ""


def _gains(asked: Asked, name: str, section: ExaminationSection, wanted: Sequence[Figure]) -> dict[str, Gain]:
    assert asked.champion is not None and asked.champion.partner is not None
    load, subject = asked.champion.partner.load, asked.subject

    (paired,) = examine_all({name: section}, replace(subject, load_base=load), asked.events)
    improvements = {figure.name: figure.improvement for figure in paired.figures}
    gains = {
        figure.name: Gain(improvement)
        for figure in wanted
        if (improvement := improvements.get(figure.name)) is not None
    }
    rest = [figure for figure in wanted if figure.name not in gains]
    if rest:
        # Of its training nothing is known but the weights.
        alone = replace(subject, load=load, history=(), kept_step=None)
        (own,) = examine_all({name: section}, alone, asked.events)
        of_champion = {figure.name: figure for figure in own.figures}
        gains |= {figure.name: _by_both(figure, of_champion.get(figure.name)) for figure in rest}
    return gains


def _by_both(figure: Figure, of_champion: Figure | None) -> Gain:
    if of_champion is None or of_champion.value is None:
        why = f": {of_champion.why_undefined}" if of_champion and of_champion.why_undefined else ""
        return Gain(None, f"it is undefined for the champion{why}")
    if figure.value is None:
        return Gain(None, "it is undefined")
    return gain_left_possible(
        of_champion.value, figure.value, "champion", lower_is_better=figure.lower_is_better
    )
