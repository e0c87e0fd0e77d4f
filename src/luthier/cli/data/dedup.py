"""`luthier data dedup`: rows that are like another, left out."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from luthier.cli.data.left_out import Examples, counted, print_left_out
from luthier.cli.data.options import field_option, file_argument, output_option, row_bar
from luthier.cli.output import json_option, print_json
from luthier.core.errors import DataError
from luthier.core.wording import count_of

if TYPE_CHECKING:
    from luthier.data.duplicates.links import Finder


@click.command()
@file_argument
@output_option
@click.option("--near", is_flag=True, help="Nearly equal texts too: most character n-grams are the same.")
@click.option("--semantic", is_flag=True, help="Texts of the same meaning, by an embedding model.")
@click.option(
    "--threshold",
    type=click.FloatRange(0, 1, min_open=True),
    help="Similarity from which rows are duplicates.  [default: 0.8 with --near, 0.95 with --semantic]",
)
@click.option(
    "--ngram",
    type=click.IntRange(1, 32),
    help="Characters of an n-gram, with --near.  [default: 3, longer where unlike rows would look alike]",
)
@click.option(
    "--encoder", help="Embedding model, with --semantic: a folder, a name in the catalogue, a hub id."
)
@click.option(
    "--keep",
    type=click.Choice(["first", "longest"]),
    default="first",
    show_default=True,
    help="Which row of a group stays.",
)
@field_option
@json_option
def dedup(
    file: Path,
    output: Path,
    near: bool,
    semantic: bool,
    threshold: float | None,
    ngram: int | None,
    encoder: str | None,
    keep: Any,
    fields: tuple[str, ...],
    as_json: bool,
) -> None:
    """Leave out rows of FILE that are like an earlier one; by default those with equal texts.

    Each row left out stands in OUTPUT.rejected.jsonl, with the row that it is like and how much.
    """
    from luthier.data.duplicates.remove import RemoveDuplicates
    from luthier.data.operators.files import open_batches, write_batches

    make_finder = finder_of(near, semantic, threshold, ngram, encoder)
    examples = Examples()
    with row_bar("reading", is_silent=as_json) as read, row_bar("writing", is_silent=as_json) as wrote:
        batches = RemoveDuplicates(make_finder, keep)(counted(open_batches(file, fields), read))
        tally = write_batches(examples.noted(batches), output, on_progress=lambda tally: wrote(tally.rows))
    if as_json:
        print_json(tally.as_json())
        return
    click.echo(f"{count_of(tally.rows, 'row')}, {tally.kept:,} kept")
    print_left_out(tally, examples, output)


def finder_of(
    near: bool, semantic: bool, threshold: float | None, ngram: int | None, encoder: str | None
) -> Callable[[], Finder]:
    """Return what makes the finder that the options name.

    Raises:
        DataError: Options contradict each other, or one has no effect.
    """
    if near and semantic:
        raise DataError("excludes --semantic", where="--near", cure="run the command twice, near first")
    for name, value, owner, is_on in (
        ("--ngram", ngram, "--near", near),
        ("--encoder", encoder, "--semantic", semantic),
        ("--threshold", threshold, "--near or --semantic", near or semantic),
    ):
        if value is not None and not is_on:
            raise DataError(
                f"has no effect without {owner}", where=name, cure=f"add {owner}, or leave it out"
            )
    if near:
        from luthier.data.duplicates.near import NearDuplicates

        return partial(NearDuplicates, 0.8 if threshold is None else threshold, ngram=ngram)
    if semantic:
        from luthier.data.duplicates.semantic import SemanticDuplicates
        from luthier.models.embed import Embedder

        embed = Embedder(encoder or "minilm")
        return partial(SemanticDuplicates, embed, 0.95 if threshold is None else threshold)
    from luthier.data.duplicates.exact import EqualTexts

    return EqualTexts
