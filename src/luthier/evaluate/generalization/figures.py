"""From measures to the figures that gates judge: sets beside the domain, examples in the prompt, general texts."""

from __future__ import annotations

from collections.abc import Sequence

from luthier.evaluate.examination import Figure
from luthier.evaluate.fitting.gap import deciding, gain_over, gap_of
from luthier.evaluate.generalization.ability import lost, pooled
from luthier.evaluate.generalization.domains import IN_DOMAIN
from luthier.evaluate.generalization.probes import Key, Measured
from luthier.evaluate.measured import LOSS
from luthier.evaluate.statistics import Interval, Resampling
from luthier.evaluate.two_samples import one_sample_interval
from luthier.objectives.contract import Measure

_NO_BASE = "what the model was tuned from is not known, or has no head of its own"
_NO_DOMAIN = (
    "no held-out row is of the trained domains; data.eval: {split: 0.1, out_of_domain: …} holds some out"
)


def domain_figures(measured: Measured, sets: Sequence[str], how: Resampling) -> list[Figure]:
    """Return loss, score and drop of each set."""
    figures: list[Figure] = []
    inside: Key = ("domain", IN_DOMAIN)
    for name in sets:
        key = ("domain", name)
        measures = measured.tuned[key]
        loss = next(each.name for each in measures if each.name.rpartition(".")[2] == LOSS)
        figures.append(_figure(f"eval_loss.{name}", f"{name}: loss", *measured.pair(key, loss), how))
        score = deciding(measures)
        if score != loss:
            pair = measured.pair(key, score)
            figures.append(_figure(f"score.{name}", f"{name}: {pair[0].title}", *pair, how))
        figures.append(_drop(name, measured, inside, key, score, how))
    return figures


def _drop(name: str, measured: Measured, inside: Key, key: Key, score: str, how: Resampling) -> Figure:
    title = f"{name}: how much worse than {IN_DOMAIN}"
    tuned, base = measured.pair(key, score)
    count = len(tuned.figures_NK)
    if inside not in measured.tuned:
        return Figure(f"generalization.drop.{name}", title, None, True, count, why_undefined=_NO_DOMAIN)
    tuned_inside, base_inside = measured.pair(inside, score)
    gap = gap_of(tuned_inside, tuned, how)
    before = gap_of(base_inside, base, how) if base and base_inside else None
    return Figure(
        f"generalization.drop.{name}",
        title,
        gap.difference if gap else None,
        True,
        count + len(tuned_inside.figures_NK),
        base=before.difference if before else None,
        why_undefined="" if gap else f"{score} does not exist on these rows",
    )


def shot_figures(measured: Measured, counts: Sequence[int], how: Resampling) -> list[Figure]:
    """Return loss, gain over no examples, and the answers' score, for each number of examples."""
    figures = []
    for count in counts:
        key, told = ("shot", str(count)), f"{count} examples before the question"
        pair = measured.pair(key, LOSS)
        figures.append(_figure(f"shot_loss.{count}", f"Loss with {told}", *pair, how))
        if count:
            zero = measured.pair(("shot", "0"), LOSS)
            gain = gain_over(zero[0], pair[0], how)
            before = gain_over(zero[1], pair[1], how) if zero[1] and pair[1] else None
            figures.append(
                Figure(
                    f"generalization.shot_gain.{count}",
                    f"Loss that {told} save",
                    gain,
                    False,
                    len(pair[0].figures_NK),
                    base=before,
                    why_undefined="" if gain else "the loss without examples is 0",
                )
            )
        if ("answers", str(count)) in measured.tuned:
            answers = measured.pair(("answers", str(count)), "rouge_l")
            figures.append(_figure(f"shot_answers.{count}", f"ROUGE-L with {told}", *answers, how))
    return figures


def ability_figures(measured: Measured, how: Resampling) -> list[Figure]:
    """Return by how much the loss on general texts grew: on each text, and on all."""
    keys = [key for key in measured.tuned if key[0] == "ability"]
    pairs = {key[1]: measured.pair(key, LOSS) for key in keys}
    figures = []
    whole = pooled([tuned for tuned, _ in pairs.values()])
    bases = [base for _, base in pairs.values() if base is not None]
    all_pairs = {"": (whole, pooled(bases) if bases else None), **pairs}
    for name, (tuned, base) in all_pairs.items():
        grown = lost(base, tuned, how) if base else None
        figures.append(
            Figure(
                f"generalization.ability_loss{'.' if name else ''}{name}",
                f"Growth of the loss on {name or 'all'} general text{'' if name else 's'}, relative to the base",
                grown,
                True,
                len(tuned.figures_NK),
                base=Interval(0.0, 0.0, 0.0) if grown else None,
                why_undefined="" if grown else _NO_BASE,
            )
        )
    return figures


def _figure(name: str, title: str, tuned: Measure, base: Measure | None, how: Resampling) -> Figure:
    value = one_sample_interval(tuned.figures_NK, tuned.statistic, how)
    return Figure(
        f"generalization.{name}",
        title,
        value,
        tuned.lower_is_better,
        len(tuned.figures_NK),
        base=one_sample_interval(base.figures_NK, base.statistic, how) if base else None,
        improvement=gain_over(base, tuned, how) if base else None,
        why_undefined="" if value else f"{tuned.name} does not exist on these rows",
    )
