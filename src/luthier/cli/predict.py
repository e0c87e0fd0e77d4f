"""`luthier predict`: what a model with a task's head says about texts."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from luthier.cli.data.options import row_bar
from luthier.cli.output import json_option, print_json, print_table
from luthier.cli.target import model_of
from luthier.core.errors import DataError

if TYPE_CHECKING:
    from luthier.serve.prediction.contract import Predictor

_ROWS_AT_ONCE = 2000
_SHOWN_CHARACTERS = 60


@click.command()
@click.argument("target", metavar="RUN_OR_MODEL")
@click.argument("file", required=False, type=click.Path(path_type=Path))
@click.option("--text", "texts", multiple=True, help="A text; may be given several times.")
@click.option("--text-pair", "pairs", multiple=True, help="Second text of each, for pairs.")
@click.option("--question", "questions", multiple=True, help="A question; may be given several times.")
@click.option(
    "--context", "contexts", multiple=True, help="Where its answer stands; one for all, or one for each."
)
@click.option(
    "--column",
    "columns",
    multiple=True,
    metavar="FIELD=COLUMN",
    help="The file's own name of a field, e.g. text=question.",
)
@click.option(
    "--threshold",
    type=click.FloatRange(0.0, 1.0),
    help="For several labels: probability from which one is said.  [default: 0.5]",
)
@click.option(
    "--null-score-diff-threshold",
    type=float,
    help="For questions that may have no answer: how far no answer must score above the best span to be said.  "
    "[default: the recipe's, or the one that the run's report chose]",
)
@click.option("-o", "--output", type=click.Path(path_type=Path), help="Write a JSON line per row here.")
@json_option
def predict(
    target: str,
    file: Path | None,
    texts: tuple[str, ...],
    pairs: tuple[str, ...],
    questions: tuple[str, ...],
    contexts: tuple[str, ...],
    columns: tuple[str, ...],
    threshold: float | None,
    null_score_diff_threshold: float | None,
    output: Path | None,
    as_json: bool,
) -> None:
    """Predict with RUN_OR_MODEL, for each --text, each --question or each row of FILE.

    RUN_OR_MODEL is a run folder, a model folder, or models:/NAME@ALIAS, whose model was trained for a task with
    a head: classes of texts, tags of words, or answers to questions. FILE is of any kind that training reads, with the
    field `text`, or `tokens` for tags, or `question` and `context`. --json prints a JSON line per row.
    """
    given = _given_rows(texts, pairs, questions, contexts)
    if (file is None) == (not given):
        raise click.UsageError("give texts by --text, questions by --question and --context, or one FILE")
    own_names = _own_names(columns, file)
    folder, _ = model_of(target)
    from luthier.serve.prediction.build import load_predictor

    predictor = load_predictor(
        folder, threshold=threshold, null_score_diff_threshold=null_score_diff_threshold
    )
    if given and (lacking := [field for field in predictor.fields if field not in given[0]]):
        raise click.UsageError(f"this model reads {' and '.join(predictor.fields)}: --{lacking[0]} is needed")
    rows = list(_rows_of(file, predictor, own_names)) if file else given
    predictions = _all_of(predictor, rows, is_silent=as_json)
    if output is not None:
        _write(output, predictions)
    if as_json:
        for prediction in predictions:
            print_json(prediction)
    elif output is None:
        lines = [(_short(p[predictor.fields[0]]), *predictor.line(p)) for p in predictions]
        print_table((predictor.fields[0], *predictor.columns()), lines)
    else:
        click.echo(f"{len(predictions):,} rows in {output}")


def _given_rows(
    texts: tuple[str, ...], pairs: tuple[str, ...], questions: tuple[str, ...], contexts: tuple[str, ...]
) -> list[dict[str, str]]:
    """Return the rows that the options give."""
    if texts and questions:
        raise click.UsageError("give either --text or --question")
    if pairs and len(pairs) != len(texts):
        raise click.UsageError(f"{len(texts)} --text need as many --text-pair, got {len(pairs)}")
    if (questions or contexts) and (not questions or len(contexts) not in (1, len(questions))):
        raise click.UsageError(
            f"{len(questions)} --question need one --context, or as many; got {len(contexts)}"
        )
    if questions:
        of_each = contexts if len(contexts) > 1 else contexts * len(questions)
        return [{"question": q, "context": c} for q, c in zip(questions, of_each, strict=True)]
    rows = [{"text": text} for text in texts]
    for row, pair in zip(rows, pairs, strict=False):
        row["text_pair"] = pair
    return rows


def _own_names(columns: tuple[str, ...], file: Path | None) -> dict[str, str]:
    if columns and file is None:
        raise click.UsageError("--column has no effect without a FILE")
    pairs = [column.partition("=") for column in columns]
    if wrong := next(
        (c for c, (field, _, name) in zip(columns, pairs, strict=True) if not (field and name)), None
    ):
        raise click.UsageError(f"--column {wrong} is not of the form FIELD=COLUMN")
    return {field: name for field, _, name in pairs}


def _rows_of(file: Path, predictor: Predictor, own_names: Mapping[str, str]) -> Iterator[dict[str, Any]]:
    """Yield the fields of each row.

    Raises:
        DataError: A row lacks one.
    """
    from luthier.data.sources import SURPLUS, read_rows

    optional = ("text_pair",) if "text_pair" in own_names or predictor.fields == ("text",) else ()
    for number, row in read_rows(file):
        where = f"{file}, row {number}"
        if not isinstance(row, Mapping):
            raise DataError(f"holds {type(row).__name__}, no object", where=where)
        fields: dict[str, Any] = {}
        tokens = row.get(own_names.get("tokens", "tokens"))
        if predictor.takes_tokens and isinstance(tokens, list):
            yield {"text": " ".join(map(str, tokens)), "tokens": tokens}
            continue
        for field in (*predictor.fields, *optional):
            name = own_names.get(field, field)
            value = row.get(name)
            if value is None and field in optional:
                continue
            if not isinstance(value, str) or not value.strip():
                known = ", ".join(str(key) for key in row if key != SURPLUS)
                problem = f"has no text in field {name!r}" if name in row else f"has no field {name!r}"
                raise DataError(problem, where=where, cure=f"--column {field}=COLUMN; the row has: {known}")
            fields[field] = value
        yield fields


def _all_of(predictor: Predictor, rows: list[dict[str, Any]], *, is_silent: bool) -> list[dict[str, Any]]:
    predictions: list[dict[str, Any]] = []
    with row_bar("predicted", is_silent=is_silent) as advance:
        for start in range(0, len(rows), _ROWS_AT_ONCE):
            part = rows[start : start + _ROWS_AT_ONCE]
            found = predictor(part, lambda done, start=start: advance(start + done))  # type: ignore[misc]
            predictions += [{**row, **said} for row, said in zip(part, found, strict=True)]
    return predictions


def _write(output: Path, predictions: list[dict[str, Any]]) -> None:
    from luthier.core.files import write_text
    from luthier.data.row_json import dumps

    write_text(output, "".join(f"{dumps(prediction).decode()}\n" for prediction in predictions))


def _short(text: str) -> str:
    return text if len(text) <= _SHOWN_CHARACTERS else f"{text[: _SHOWN_CHARACTERS - 1]}…"
