"""`luthier data annotate audit`: a random sample of labelled rows to check, and what a checked one shows."""

from __future__ import annotations

from pathlib import Path

import click

from luthier.cli.annotate.options import confidence_option, path_argument, seed_option
from luthier.cli.data.options import busy
from luthier.cli.output import json_option, print_json, print_table
from luthier.core.errors import DataError
from luthier.core.wording import count_of

_RATE = click.FloatRange(0, 1, min_open=True, max_open=True)


@click.command()
@path_argument
@click.option("-o", "--output", type=click.Path(path_type=Path), help="Write the sample here.")
@click.option("--checked", is_flag=True, help="PATH is a sample that was checked: say what it shows.")
@click.option("--margin", type=_RATE, help="Half of the interval's width that is wanted.  [default: 0.02]")
@click.option("--expected-error", type=_RATE, help="Error rate that is thought likely.  [default: 0.05]")
@click.option("--text-field", help="Field of the text in a file.  [default: text]")
@click.option("--label-field", help="Field of the label in a file.  [default: label]")
@confidence_option
@seed_option
@json_option
def audit(
    path: Path,
    output: Path | None,
    checked: bool,
    margin: float | None,
    expected_error: float | None,
    text_field: str | None,
    label_field: str | None,
    confidence: float,
    seed: int,
    as_json: bool,
) -> None:
    """Draw rows of PATH at random, enough to know the share of wrong labels; or, with --checked, tell that share.

    PATH is an annotation project or a file of labelled rows. Whoever checks the sample writes the right label into
    the field `correct_label` of every row, also where it is the same.
    """
    if checked:
        idle: dict[str, object] = {"-o": output, "--margin": margin, "--expected-error": expected_error}
        idle |= {"--text-field": text_field, "--label-field": label_field}
        if given := [name for name, value in idle.items() if value is not None]:
            raise DataError(f"{given[0]} has no effect beside --checked", cure="leave it out")
        _judge(path, confidence, as_json)
        return
    from luthier.data.annotation.audit import draw_sample, sample_row
    from luthier.data.annotation.labelled import labelled_rows
    from luthier.data.sinks import writing

    if output is None:
        raise DataError("there is no file to write the sample to", where="--output", cure="name one with -o")
    with busy("drawing", is_silent=as_json):
        labelled = labelled_rows(path, text_field=text_field, label_field=label_field)
        sample = draw_sample(
            labelled.rows,
            margin=margin or 0.02,
            confidence=confidence,
            expected_rate=expected_error or 0.05,
            seed=seed,
        )
    with writing(output) as write:
        for row in sample:
            write(sample_row(row))
    if as_json:
        counts = {"rows": len(labelled.rows), "without_label": labelled.num_without, "sampled": len(sample)}
        print_json({**counts, "file": str(output)})
    else:
        click.echo(
            f"wrote {output}: {len(sample):,} of {len(labelled.rows):,} labelled rows; fill in correct_label"
        )


def _judge(path: Path, confidence: float, as_json: bool) -> None:
    from luthier.data.annotation.audit import audit_result

    result = audit_result(path, confidence=confidence)
    rate = result.num_errors / result.num_checked if result.num_checked else None
    if as_json:
        errors = [{"id": row, "label": label, "correct_label": right} for row, label, right in result.errors]
        print_json({**vars(result), "errors": errors, "error_rate": rate, "confidence": confidence})
        return
    if rate is None:
        raise DataError("no row is checked yet", where=str(path), cure="fill in correct_label")
    click.echo(
        f"{result.num_errors:,} of {result.num_checked:,} checked labels are wrong: {rate:.1%} "
        f"({confidence:.0%} interval {result.low:.1%} to {result.high:.1%})"
    )
    if result.num_unchecked:
        click.secho(
            f"not checked: {count_of(result.num_unchecked, 'row')}; the sample is not random without them",
            fg="yellow",
        )
    print_table(("row", "label", "right label"), result.errors)
