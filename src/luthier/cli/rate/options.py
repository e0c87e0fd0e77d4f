"""Options that `luthier rate import` and `luthier rate judge` share."""

from __future__ import annotations

import click

confidence_option = click.option(
    "--confidence", type=click.FloatRange(0.5, 0.999), default=0.95, show_default=True, help="Of intervals."
)
seed_option = click.option(
    "--seed",
    type=click.IntRange(min=0),
    default=0,
    show_default=True,
    help="Of the bootstrap of agreement.",
)
partial_option = click.option(
    "--partial", "is_partial", is_flag=True, help="Take raters who have not rated all items."
)
