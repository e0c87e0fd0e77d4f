"""`luthier cross-validate`: a recipe trained once for each fold, with an interval over the folds."""

from __future__ import annotations

import click

from luthier.cli.output import json_option, print_json, print_table
from luthier.cli.progress import make_progress
from luthier.cli.recipes import load_recipe, recipe_options


@click.command("cross-validate")
@recipe_options
@click.option("--folds", type=click.IntRange(2, 100), default=5, show_default=True, help="Equal parts.")
@json_option
def cross_validate(recipe: str | None, overrides: tuple[str, ...], folds: int, as_json: bool) -> None:
    """Train RECIPE on all folds of its rows but one, once for each, and tell the metrics over all.

    Each fold is a run of its own; given again, the command goes on where it was stopped. Intervals are those of Nadeau
    and Bengio, which know that the folds share training rows. A fold that is held out chooses no checkpoint.
    """
    from luthier.pipeline.cross_validation import cross_validate as do

    progress = make_progress(json_lines=as_json)
    try:
        found = do(load_recipe(recipe, overrides), folds, listeners=(progress,))
    finally:
        progress.close()
    if as_json:
        print_json(found.as_json())
        return
    header = ("metric", f"mean over {folds} folds", "lowest", "highest", "less that of", "p")
    rows = []
    for each in found.metrics:
        mean, gap = each.mean, each.difference
        less = f"{each.partner}: {gap.value:+.4g} ({gap.low:+.4g} to {gap.high:+.4g})" if gap else ""
        rows.append(
            (
                each.metric,
                f"{mean.value:.4g} ({mean.low:.4g} to {mean.high:.4g})",
                f"{min(each.values):.4g}",
                f"{max(each.values):.4g}",
                less,
                "" if each.p_value is None else f"{each.p_value:.2g}",
            )
        )
    print_table(header, rows)
