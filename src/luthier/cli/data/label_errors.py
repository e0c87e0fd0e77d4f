"""`luthier data label-errors`: rows whose label is probably wrong."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from luthier.cli.annotate.options import path_argument, seed_option, shortened
from luthier.cli.data.options import row_bar
from luthier.cli.output import json_option, print_json, print_table
from luthier.core.wording import count_of

if TYPE_CHECKING:
    from luthier.data.annotation.label_errors import Findings
    from luthier.data.annotation.labelled import LabelledRow

_FILTERS = (
    "low_normalized_margin",
    "low_self_confidence",
    "confident_learning",
    "both",
    "prune_by_noise_rate",
    "prune_by_class",
    "predicted_neq_given",
)


@click.command("label-errors")
@path_argument
@click.option("--text-field", help="Field of the text in a file.  [default: text]")
@click.option("--label-field", help="Field of the label in a file.  [default: label]")
@click.option("--base", default="minilm", show_default=True, help="Sentence encoder.")
@click.option(
    "--folds", type=click.IntRange(2, 50), default=5, show_default=True, help="Of the cross-validation."
)
@click.option(
    "--filter-by",
    type=click.Choice(_FILTERS),
    default=_FILTERS[0],
    show_default=True,
    help="cleanlab's rule: which rows it takes for wrong.",
)
@click.option(
    "--limit", type=click.IntRange(min=1), help="Suspects at most.  [default: 20 on the screen, else all]"
)
@click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path),
    help="Write the suspects here, with a field to fill in.",
)
@seed_option
@json_option
def label_errors(
    path: Path,
    text_field: str | None,
    label_field: str | None,
    base: str,
    folds: int,
    filter_by: Any,
    limit: int | None,
    output: Path | None,
    seed: int,
    as_json: bool,
) -> None:
    """Find rows of PATH whose label is probably wrong, by confident learning: most suspicious first.

    PATH is an annotation project or a file of texts with one label each. Each row is judged by a classifier over a
    sentence encoder that was trained without it. Look at the list, fill in `correct_label`, and give it to
    `luthier data annotate correct --from`.
    """
    from luthier.data.annotation.label_errors import find_label_errors
    from luthier.data.annotation.labelled import labelled_rows
    from luthier.models.embed import Embedder

    labelled = labelled_rows(path, text_field=text_field, label_field=label_field)
    embed = Embedder(base)
    with row_bar("embedding", is_silent=as_json) as advance:
        vectors = embed([row.text for row in labelled.rows], advance)
    with row_bar("judged: fold", is_silent=as_json) as advance:
        findings = find_label_errors(
            vectors,
            [row.label for row in labelled.rows],
            num_folds=folds,
            seed=seed,
            filter_by=filter_by,
            on_fold=advance,
        )
    suspects = [_facts(labelled.rows, suspect) for suspect in findings.suspects[:limit]]
    if output:
        _write(output, suspects)
    if as_json:
        counts = {"judged": findings.num_judged, "without_label": labelled.num_without}
        print_json(
            {
                **counts,
                "unjudged": findings.unjudged,
                "agreement_with_classifier": findings.accuracy,
                "suspects": len(findings.suspects),
                "rows": suspects,
            }
        )
        return
    _print(findings, suspects[: limit or 20], folds)
    if output:
        click.echo(f"wrote {output}: {count_of(len(suspects), 'row')}")


def _facts(rows: tuple[LabelledRow, ...], suspect: Any) -> dict[str, Any]:
    return {
        "id": rows[suspect.index].id,
        "text": rows[suspect.index].text,
        "label": suspect.label,
        "suggestion": suspect.suggestion,
        "quality": round(suspect.quality, 6),
        "label_probability": round(suspect.label_probability, 6),
        "suggestion_probability": round(suspect.suggestion_probability, 6),
    }


def _write(output: Path, suspects: list[dict[str, Any]]) -> None:
    from luthier.data.annotation.audit import CHECKED_FIELD
    from luthier.data.sinks import writing

    with writing(output) as write:
        for suspect in suspects:
            write({**suspect, CHECKED_FIELD: ""})


def _print(findings: Findings, shown: list[dict[str, Any]], folds: int) -> None:
    click.echo(
        f"{len(findings.suspects):,} of {count_of(findings.num_judged, 'label')} are doubtful; "
        f"the classifier agrees with {findings.accuracy:.1%} of all"
    )
    if findings.unjudged:
        number = sum(findings.unjudged.values())
        names = ", ".join(list(findings.unjudged)[:5])
        click.secho(
            f"not judged: {count_of(number, 'row')}, for fewer than {folds} rows have {names} …", fg="yellow"
        )
    table = [
        (s["id"], f"{s['quality']:.3f}", s["label"], s["suggestion"], shortened(s["text"])) for s in shown
    ]
    print_table(("row", "quality", "label", "suggestion", "text"), table)
