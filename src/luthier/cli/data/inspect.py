"""`luthier data inspect`: rows as they would be trained."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from luthier.cli.data.options import base_option, row_bar, template_option
from luthier.cli.output import json_option, print_json
from luthier.core.errors import DataError

if TYPE_CHECKING:
    from luthier.data.example import Example, Rejection
    from luthier.data.sample import Sample


@click.command()
@click.argument("file", type=click.Path(path_type=Path))
@base_option
@template_option
@click.option("--schema", help="Name the schema instead of detecting it.")
@click.option("--row", type=click.IntRange(min=1), help="Show this row only.")
@click.option("--rows", type=click.IntRange(min=0), default=2, show_default=True, help="Rows to show.")
@click.option(
    "--max-length", type=click.IntRange(min=2), default=1024, show_default=True, help="Longest row in tokens."
)
@click.option(
    "--loss-on",
    type=click.Choice(["assistant", "last_turn", "all"]),
    default="assistant",
    show_default=True,
    help="Tokens that carry loss.",
)
@json_option
def inspect(
    file: Path,
    base: str,
    chat_template: str | None,
    schema: str | None,
    row: int | None,
    rows: int,
    max_length: int,
    loss_on: Any,
    as_json: bool,
) -> None:
    """Show rows of FILE as they would be trained: tokens that carry loss in colour, and what is left out and why."""
    from luthier.data.encode import ChatEncoder
    from luthier.data.read import open_source
    from luthier.data.sample import Sample
    from luthier.data.template import ChatTemplate
    from luthier.data.tokenizer import load_tokenizer
    from luthier.models.load import locate_base
    from luthier.recipe.source_section import Source

    template = ChatTemplate(load_tokenizer(locate_base(base)), chat_template)
    encode = ChatEncoder(template, loss_on=loss_on, max_length=max_length, too_long="truncate")
    source = Source.model_validate({"path": file.name, "schema": schema})
    opened = open_source(source, file.resolve().parent)
    if opened.schema not in ("alpaca", "sharegpt", "messages", "prompt_completion"):
        raise DataError(
            f"holds rows of schema {opened.schema}: there are no turns to inspect", where=str(file)
        )
    shown: list[tuple[Sample, Example]] = []
    counts = Counter[str]()
    rejected: list[Rejection] = []
    with row_bar("encoding", is_silent=as_json) as advance:
        for entry in opened.rows:
            counts["rows"] += 1
            advance(counts["rows"])
            result = encode(entry) if isinstance(entry, Sample) else entry
            if not isinstance(result, list):
                rejected.append(result)
                continue
            example = result[0]
            counts["tokens"] += len(example.input_ids)
            counts["supervised tokens"] += example.num_supervised
            counts["cut to length"] += bool(example.num_truncated)
            counts["answers without end token"] += example.lost_end
            is_shown = example.row == row if row else len(shown) < rows
            if is_shown and isinstance(entry, Sample):
                shown.append((entry, example))
    if row and not shown:
        reason = next(
            (f"left out, {r.reason}: {r.detail}" for r in rejected if r.row == row), "is not in the file"
        )
        raise DataError(f"row {row} {reason}", where=str(file))
    if as_json:
        print_json(_facts(opened.schema, counts, rejected, shown, template))
        return
    click.echo(f"schema {opened.schema}: {', '.join(f'{n:,} {name}' for name, n in counts.items() if n)}")
    for reason, number in Counter(r.reason for r in rejected).most_common():
        first = next(r for r in rejected if r.reason == reason)
        click.secho(f"left out: {number:,} {reason}, e.g. row {first.row}: {first.detail}", fg="yellow")
    for _, example in shown:
        click.secho(
            f"\nrow {example.row}: {len(example.input_ids)} tokens, {example.num_supervised} supervised",
            bold=True,
        )
        click.echo(_coloured(example, template))


def _facts(
    schema: str,
    counts: Counter[str],
    rejected: list[Rejection],
    shown: list[tuple[Sample, Example]],
    template: Any,
) -> dict[str, Any]:
    return {
        "schema": schema,
        **{name.replace(" ", "_"): n for name, n in counts.items()},
        "left_out": [{"row": r.row, "reason": r.reason, "detail": r.detail} for r in rejected],
        "shown": [
            {
                "row": e.row,
                "text": template.tokenizer.decode(e.input_ids),
                "supervised": [text for is_trained, text in _pieces(e, template) if is_trained],
            }
            for _, e in shown
        ],
    }


def _pieces(example: Example, template: Any) -> list[tuple[bool, str]]:
    """Return runs of tokens with and without loss, as text."""
    from luthier.data.example import IGNORED

    runs: list[tuple[bool, list[int]]] = []
    for token, label in zip(example.input_ids.tolist(), example.labels.tolist(), strict=True):
        is_trained = label != IGNORED
        if not runs or runs[-1][0] != is_trained:
            runs.append((is_trained, []))
        runs[-1][1].append(token)
    return [(is_trained, template.tokenizer.decode(tokens)) for is_trained, tokens in runs]


def _coloured(example: Example, template: Any) -> str:
    """Return the text, trained parts green; where colour is lost, brackets remain."""
    parts = []
    for is_trained, text in _pieces(example, template):
        parts.append(click.style(f"⟦{text}⟧", fg="green") if is_trained else text)
    return "".join(parts)
