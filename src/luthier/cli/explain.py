"""`luthier explain`: which words an answer stands on, and whether that explanation holds."""

from __future__ import annotations

from pathlib import Path

import click

from luthier.cli.data.options import row_bar
from luthier.cli.output import json_option, print_json, print_table
from luthier.cli.target import model_of
from luthier.core.errors import DataError

_SHOWN_WORDS = 6


@click.command()
@click.argument("target", metavar="RUN_OR_MODEL")
@click.option("--text", "texts", multiple=True, help="A text; may be given several times.")
@click.option("--data", "file", type=click.Path(path_type=Path), help="A file of rows with the field `text`.")
@click.option("--column", default="text", show_default=True, help="The file's own name of that field.")
@click.option(
    "--limit", type=click.IntRange(1), default=50, show_default=True, help="Rows of the file to explain."
)
@click.option(
    "--method",
    type=click.Choice(["shap", "lime", "integrated_gradients"]),
    default="shap",
    show_default=True,
    help="Shapley values of words (exact up to 9 words, else Kernel SHAP), a local linear model, or gradients.",
)
@click.option("--label", help="The class to explain.  [default: the most probable one of each text]")
@click.option(
    "--samples",
    type=click.IntRange(16),
    default=512,
    show_default=True,
    help="Texts with words left out that the model is asked about, for shap and lime.",
)
@click.option("--seed", type=int, default=42, show_default=True, help="Of their choice.")
@click.option(
    "-o", "--output", type=click.Path(path_type=Path), help="Write a page with coloured words here."
)
@json_option
def explain(
    target: str,
    texts: tuple[str, ...],
    file: Path | None,
    column: str,
    limit: int,
    method: str,
    label: str | None,
    samples: int,
    seed: int,
    output: Path | None,
    as_json: bool,
) -> None:
    """Explain what the classifier RUN_OR_MODEL says about each --text, or about rows of a file.

    Each word gets its share in the probability of the class. Whether the explanation holds is checked: words are taken
    out, and put in, in its order and in random ones.
    """
    if (file is None) == (not texts):
        raise click.UsageError("give texts by --text, or a file by --data")
    folder, name = model_of(target)
    chosen = _texts_of(file, column, limit) if file else list(texts)
    if empty := next((number for number, text in enumerate(chosen, 1) if not text.strip()), None):
        raise click.UsageError(f"--text number {empty} has no words")
    from luthier.evaluate.explain.classifier import label_number, load_classifier
    from luthier.evaluate.explain.explain import explain_texts, verdict_text
    from luthier.evaluate.explain.page import render_explanations
    from luthier.evaluate.statistics import Resampling

    classifier = load_classifier(folder)
    number = None if label is None else label_number(classifier, label)
    with row_bar("explained", is_silent=as_json) as advance:
        found, verdict = explain_texts(
            classifier,
            chosen,
            method,  # type: ignore[arg-type]
            label=number,
            num_samples=samples,
            how=Resampling(2000, 0.95, seed),
            on_progress=advance,
        )
    if output is not None:
        from luthier.core.files import write_text

        write_text(output, render_explanations(found, verdict, model=name, method=method))
    if as_json:
        for one in found:
            print_json(one.as_json())
        return
    lines = []
    for one in found:
        order = sorted(range(len(one.words)), key=lambda place: -abs(one.attribution[place]))[:_SHOWN_WORDS]
        words = ", ".join(f"{one.words[place]} {one.attribution[place]:+.3f}" for place in order)
        lines.append((one.text[:50], one.label, f"{one.probability:.3f}", words))
    print_table(("text", "class", "probability", "words"), lines)
    click.echo(verdict_text(verdict, len(found)))
    if output is not None:
        click.echo(f"page: {output}")


def _texts_of(file: Path, column: str, limit: int) -> list[str]:
    """Return the texts of the first rows.

    Raises:
        DataError: A row has no text, or there is none.
    """
    from luthier.data.sources import read_rows

    texts: list[str] = []
    for number, row in read_rows(file):
        if len(texts) == limit:
            break
        value = row.get(column) if isinstance(row, dict) else None
        if not isinstance(value, str) or not value.strip():
            known = ", ".join(map(str, row)) if isinstance(row, dict) else "no fields"
            raise DataError(
                f"has no text in field {column!r}",
                where=f"{file}, row {number}",
                cure=f"--column COLUMN; the row has: {known}",
            )
        texts.append(value)
    if not texts:
        raise DataError("has no rows", where=str(file), cure="a file of rows with the field `text`")
    return texts
