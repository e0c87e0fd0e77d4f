"""`luthier plan`: explain and predict a run without training."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import click

from luthier.cli.output import json_option, print_facts, print_json, print_table
from luthier.cli.progress import make_progress
from luthier.cli.recipes import load_recipe, recipe_options

if TYPE_CHECKING:
    from luthier.pipeline.explain import Explanation
    from luthier.plan.resolve import Plan


@click.command()
@recipe_options
@json_option
def plan(recipe: str | None, overrides: tuple[str, ...], as_json: bool) -> None:
    """Explain RECIPE: every value and where it came from, the label budget, predicted time and memory.

    The data are read and the machine is probed for a few seconds; nothing is trained and nothing is kept.
    """
    from luthier.pipeline.explain import explain
    from luthier.pipeline.run import make_plan
    from luthier.plan.record import plan_record

    resolved = make_plan(load_recipe(recipe, overrides))
    progress = make_progress(json_lines=as_json)
    try:
        explanation = explain(resolved, (progress,))
    finally:
        progress.close()
    if as_json:
        facts = {**plan_record(resolved), **asdict(explanation)}
        print_json(facts)
        return
    values = [(path, _text(value), resolved.origin(path)) for path, value in resolved.values().items()]
    print_table(("value", "", "from"), values)
    click.echo()
    print_facts(_facts(resolved, explanation))


def _text(value: Any) -> str:
    return (
        "none"
        if value is None
        else json.dumps(value, ensure_ascii=False)
        if not isinstance(value, str)
        else value
    )


def _facts(resolved: Plan, explained: Explanation) -> list[tuple[str, str]]:
    trainable = explained.trainable or resolved.trainable
    share = trainable.num_trainable / trainable.num_total
    facts = [("base", f"{resolved.base.architecture}, {resolved.base.folder}")]
    facts.append(
        ("parameters", f"{trainable.num_trainable:,} trained of {trainable.num_total:,} ({share:.2%})")
    )
    if explained.fast_path:
        facts.append(("fast path", ", ".join(explained.fast_path)))
    facts += [("plain path", part) for part in explained.plain_path]
    facts += _budget_facts(explained.budget)
    facts.append(("run folder", str(explained.run_folder)))
    facts.append(("stages", ", ".join(f"{name}: {state}" for name, state in explained.stages.items())))
    if forecast := explained.forecast:
        error = forecast.relative_error
        facts.append(
            ("training", f"{forecast.num_steps:,} steps, about {forecast.tokens_per_second:,.0f} tokens/s")
        )
        facts.append(("time", f"{_duration(forecast.seconds)} ± {error:.0%}, training with its evaluations"))
        facts.append(
            (
                "peak memory",
                f"{forecast.peak_bytes / 1e9:.1f} GB of {resolved.hardware.memory_bytes / 1e9:.0f} GB",
            )
        )
    return facts + [("note", notice) for notice in resolved.notices]


def _budget_facts(budget: dict[str, Any]) -> list[tuple[str, str]]:
    names = {"train": "training rows", "eval": "held-out rows"}
    facts = []
    for name, split in budget["splits"].items():
        if split["rows"]:
            share = split["supervised_tokens"] / split["tokens"]
            text = (
                f"{split['rows']:,}, {split['tokens']:,} tokens, longest {split['longest_example_tokens']:,}"
            )
            carried = f"{split['supervised_tokens']:,} supervised ({share:.0%})"
            if split["supervised_tokens"] == split["examples"]:  # labels belong to whole rows
                carried = "a label each"
            facts.append((names[name], f"{text}; {carried}"))
            for key, what in (
                ("truncated", "cut to data.max_length"),
                ("answers_without_end_token", "answers cut before their end token"),
            ):
                if split[key]["rows"]:
                    facts.append(("", f"{split[key]['rows']:,} {what}, e.g. {split[key]['first'][0]}"))
    for reason, group in budget["left_out"].items():
        facts.append(("left out", f"{group['rows']:,} {reason}, e.g. {group['first'][0]}: {group['detail']}"))
    return facts


def _duration(seconds: float) -> str:
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"
