"""`luthier adapters combine`: one adapter out of several of one base."""

from __future__ import annotations

from pathlib import Path

import click

from luthier.cli.output import json_option, print_facts, print_json
from luthier.cli.target import model_of


@click.command()
@click.argument("targets", metavar="RUN_OR_ADAPTER...", nargs=-1, required=True)
@click.option("--weights", help="A weight for each, with commas: 0.7,0.3.  [default: all the same, 1 in sum]")
@click.option(
    "--type",
    "kind",
    default="cat",
    show_default=True,
    help="cat (exact, the ranks add up), svd, linear, or pruned first: ties, dare_linear, dare_ties, "
    "magnitude_prune, each also with _svd.",
)
@click.option(
    "--rank", type=click.IntRange(min=1), help="Of the result, with svd.  [default: the largest rank]"
)
@click.option("--density", type=float, help="Share of the weights that stay, where they are pruned.")
@click.option("--seed", type=int, default=0, show_default=True, help="Of what dare drops.")
@click.option("-o", "--output", "target", type=click.Path(path_type=Path), required=True, help="New folder.")
@json_option
def combine(
    targets: tuple[str, ...],
    weights: str | None,
    kind: str,
    rank: int | None,
    density: float | None,
    seed: int,
    target: Path,
    as_json: bool,
) -> None:
    """Combine LoRA adapters of one base into one: run folders, adapter folders, or models:/NAME@ALIAS."""
    numbers = _numbers(weights, len(targets))
    folders = [model_of(name)[0] for name in targets]
    from luthier.methods.combine import combine_adapters

    made = combine_adapters(folders, numbers, kind, target, rank=rank, density=density, seed=seed)
    if as_json:
        print_json({"folder": str(target), "kind": kind, **vars(made)})
        return
    print_facts(
        [
            ("adapter", str(target)),
            ("rank", str(made.rank)),
            ("layers", str(made.num_layers)),
            ("off the weighted sum", f"{made.error:.2%}" if made.error > 1e-5 else "nothing"),
        ]
    )


def _numbers(text: str | None, count: int) -> list[float]:
    if text is None:
        return [1 / count] * count
    try:
        return [float(part) for part in text.split(",")]
    except ValueError:
        raise click.UsageError(f"--weights {text}: numbers with commas are expected, as 0.7,0.3") from None
