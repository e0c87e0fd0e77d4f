"""`luthier learning-curve`: a recipe trained on growing shares of its rows, and what more rows would bring."""

from __future__ import annotations

import click

from luthier.cli.output import json_option, print_json, print_table
from luthier.cli.progress import make_progress
from luthier.cli.recipes import load_recipe, recipe_options
from luthier.core.errors import LuthierError

_FEWEST = 3


@click.command("learning-curve")
@recipe_options
@click.option(
    "--shares", default="0.1,0.3,1.0", show_default=True, help="Shares of the training rows, three at least."
)
@json_option
def learning_curve(recipe: str | None, overrides: tuple[str, ...], shares: str, as_json: bool) -> None:
    """Train RECIPE on shares of its training rows, and fit a power law to the held-out losses.

    Each share is a run of its own with the same held-out rows; given again, the command goes on where it was stopped.
    """
    from luthier.pipeline.learning_curve import learning_curve as do

    wanted = _shares(shares)
    progress = make_progress(json_lines=as_json)
    try:
        found = do(load_recipe(recipe, overrides), wanted, listeners=(progress,))
    finally:
        progress.close()
    if as_json:
        print_json(found.as_json())
        return
    rows = [
        (f"{share:g}", f"{count:,}", f"{loss.value:.4f} ({loss.low:.4f} to {loss.high:.4f})", run)
        for share, count, loss, run in zip(
            found.shares, found.num_train, found.losses, found.runs, strict=True
        )
    ]
    ahead = found.forecast
    expected = f"{ahead.loss.value:.4f} ({ahead.loss.low:.4f} to {ahead.loss.high:.4f})"
    if ahead.is_sound:
        rows.append(("expected", f"{ahead.rows:,}", expected, ""))
    print_table(("share", "training rows", "held-out loss", "run"), rows)
    if ahead.is_sound:
        law = ahead.law
        click.echo(f"loss = {law.floor:.4g} + {law.scale:.4g} × rows^-{law.exponent:.3g}")
    click.echo(found.verdict)


def _shares(text: str) -> list[float]:
    try:
        shares = [float(part) for part in text.split(",")]
    except ValueError as error:
        raise LuthierError(
            f"{text!r} is not a list of numbers", where="--shares", cure="--shares 0.1,0.3,1.0"
        ) from error
    if not all(0 < share <= 1 for share in shares):
        raise LuthierError(f"{text} has a share that is not between 0 and 1", where="--shares")
    if len(set(shares)) < _FEWEST or len(set(shares)) < len(shares):
        problem = (
            f"{text} has {len(set(shares))} different shares; a power law needs {_FEWEST} at least, each once"
        )
        raise LuthierError(problem, where="--shares", cure="--shares 0.1,0.3,1.0")
    return shares
