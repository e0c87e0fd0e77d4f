"""`luthier data decontaminate`: training rows that share a passage with evaluation rows, left out."""

from __future__ import annotations

from itertools import chain
from pathlib import Path

import click

from luthier.cli.data.left_out import Examples, counted, print_left_out
from luthier.cli.data.options import field_option, output_option, processes_option, row_bar
from luthier.cli.output import json_option, print_json
from luthier.core.wording import count_of


@click.command()
@click.argument("train", type=click.Path(path_type=Path))
@click.option(
    "--against",
    type=click.Path(path_type=Path),
    multiple=True,
    required=True,
    help="File of evaluation rows; again for more.",
)
@output_option
@click.option(
    "--ngram",
    type=click.IntRange(min=3),
    default=13,
    show_default=True,
    help="Words in a row that make a passage.",
)
@click.option(
    "--cjk-ngram",
    type=click.IntRange(min=3),
    default=20,
    show_default=True,
    help="Characters in a row that make a passage in Chinese and Japanese.",
)
@field_option
@click.option(
    "--eval-field", "eval_fields", multiple=True, help="The same for the evaluation rows, if it differs."
)
@processes_option
@json_option
def decontaminate(
    train: Path,
    against: tuple[Path, ...],
    output: Path,
    ngram: int,
    cjk_ngram: int,
    fields: tuple[str, ...],
    eval_fields: tuple[str, ...],
    processes: int,
    as_json: bool,
) -> None:
    """Leave out rows of TRAIN that share a passage with a row of an evaluation file.

    Each row left out stands in OUTPUT.rejected.jsonl, with the passage and the evaluation row that it is of.
    """
    from luthier.data.contamination import Decontaminate
    from luthier.data.operators.execute import apply
    from luthier.data.operators.files import open_batches, write_batches

    with row_bar("reading evaluation", is_silent=as_json) as read:
        evaluation = chain.from_iterable(open_batches(path, eval_fields or fields) for path in against)
        operator = Decontaminate(counted(evaluation, read), ngram=ngram, cjk_ngram=cjk_ngram)
    examples = Examples()
    with row_bar("comparing", is_silent=as_json) as advance:
        batches = apply(open_batches(train, fields), [operator], num_processes=processes)
        tally = write_batches(examples.noted(batches), output, on_progress=lambda tally: advance(tally.rows))
    if as_json:
        print_json(tally.as_json() | {"evaluation_rows": operator.num_rows})
        return
    click.echo(
        f"{count_of(tally.rows, 'row')} against {operator.num_rows:,} of evaluation, {tally.kept:,} kept"
    )
    print_left_out(tally, examples, output)
