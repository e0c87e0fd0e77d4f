"""`luthier ab plan`: sample size, power and detectable effect."""

from __future__ import annotations

from typing import Any

import click

from luthier.cli.output import json_option, print_facts, print_json
from luthier.core.errors import LuthierError

_WITHIN = click.FloatRange(0, 1, min_open=True, max_open=True)


@click.command()
@click.option("--baseline", type=_WITHIN, help="Rate of the control, for a metric that is a rate.")
@click.option(
    "--sd",
    "deviation",
    type=click.FloatRange(0, min_open=True),
    help="Standard deviation of a unit's outcome, for a metric that is a mean.",
)
@click.option("--effect", type=float, help="Difference that is to be found, in units of the metric.")
@click.option("--uplift", type=float, help="The same relative to --baseline, e.g. 0.1 for 10 %.")
@click.option(
    "--units", type=click.IntRange(min=4), help="Of control and treatment together, instead of an effect."
)
@click.option("--alpha", type=_WITHIN, default=0.05, show_default=True, help="Level of the test.")
@click.option("--power", type=_WITHIN, default=0.8, show_default=True, help="Chance to find the effect.")
@click.option("--share", type=_WITHIN, default=0.5, show_default=True, help="Of units that are treated.")
@click.option(
    "--comparisons",
    type=click.IntRange(min=1),
    default=1,
    show_default=True,
    help="Treatments times metrics: alpha is divided by it.",
)
@click.option("--per-day", type=click.FloatRange(0, min_open=True), help="Units a day, to tell the duration.")
@json_option
def plan(
    baseline: float | None,
    deviation: float | None,
    effect: float | None,
    uplift: float | None,
    units: int | None,
    alpha: float,
    power: float,
    share: float,
    comparisons: int,
    per_day: float | None,
    as_json: bool,
) -> None:
    """Tell how many units an experiment needs, or, with --units, which effect it finds.

    Units are users, or whatever is assigned. Two numbers are told: for a test at one look after all units, and for the
    sequential test of `luthier ab analyze`, which may be looked at after every unit.
    """
    from luthier.evaluate.ab.plan import planned
    from luthier.evaluate.ab.sequential_cost import sequential_cost

    if (baseline is None) == (deviation is None):
        raise LuthierError("name --baseline or --sd, one of them", cure="--baseline 0.1 for a rate of 10 %")
    if sum(value is not None for value in (effect, uplift, units)) != 1:
        raise LuthierError("name one of --effect, --uplift and --units", cure="--baseline 0.1 --uplift 0.05")
    if uplift is not None and baseline is None:
        raise LuthierError(
            "--uplift has no effect without --baseline", cure="name the difference with --effect"
        )
    if uplift is not None and baseline is not None:
        effect = uplift * baseline
    found = planned(
        baseline, deviation, effect=effect, units=units, alpha=alpha / comparisons, power=power, share=share
    )
    cost = sequential_cost(alpha / comparisons, power)
    facts: dict[str, Any] = {
        "effect": found.effect,
        "units": found.units,
        "control": found.units - round(found.units * share),
        "treatment": round(found.units * share),
        "sequential_units": round(found.units * cost.at_power),
        "sequential_mean_units": round(found.units * cost.mean),
        "alpha": alpha / comparisons,
        "power": power,
    }
    if per_day is not None:
        facts["days"] = found.units / per_day
        facts["sequential_mean_days"] = found.units * cost.mean / per_day
    if as_json:
        print_json(facts)
        return
    relative = f" ({found.effect / baseline:+.1%} of the baseline)" if baseline else ""
    lines = [
        ("effect", f"{found.effect:+.6g}{relative}"),
        (
            "at one look",
            f"{found.units:,} units: {facts['control']:,} control, {facts['treatment']:,} treatment",
        ),
        (
            "at every look",
            f"{facts['sequential_units']:,} units for the same power; on average it is found after "
            f"{facts['sequential_mean_units']:,}",
        ),
        ("level and power", f"{alpha / comparisons:g} two-sided, {power:.0%}"),
        ("then", f"luthier ab analyze FILE --planned-units {found.units}"),
    ]
    if per_day is not None:
        duration = f"{facts['days']:.1f} days at one look, {facts['sequential_mean_days']:.1f} on average at every look"
        lines.append(("duration", duration))
    print_facts(lines)
