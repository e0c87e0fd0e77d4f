"""`luthier data annotate prelabel`: a model proposes labels."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from luthier.cli.annotate.options import project_argument
from luthier.cli.data.options import row_bar
from luthier.cli.output import json_option, print_json
from luthier.core.errors import DataError
from luthier.core.wording import count_of

if TYPE_CHECKING:
    from luthier.data.annotation.prelabel import LabelModel
    from luthier.data.annotation.project import Project

_KEY = "OPENAI_API_KEY"


@click.command()
@project_argument
@click.option("--base", help="Sentence encoder below a classifier.  [default: minilm]")
@click.option(
    "--train",
    type=click.Path(path_type=Path),
    help="File of labelled rows that the classifier learns from.  [default: the project's decided rows]",
)
@click.option("--text-field", help="Field of the text in that file.  [default: text]")
@click.option("--label-field", help="Field of the label in that file.  [default: label]")
@click.option(
    "--server", help="Ask a chat model behind this OpenAI-compatible server instead, e.g. of `luthier serve`."
)
@click.option("--model", help="Its name there.")
@click.option("--samples", type=click.IntRange(min=1), help="Answers of the chat model a row.  [default: 1]")
@click.option("--min-score", type=click.FloatRange(0, 1), default=0.0, help="Propose nothing less probable.")
@click.option("--all", "takes_all", is_flag=True, help="Also rows that have ratings or gold.")
@click.option("--seed", type=int, help="Of several answers a row.  [default: 0]")
@json_option
def prelabel(project: Path, takes_all: bool, min_score: float, as_json: bool, **options: Any) -> None:
    """Let a model propose a label for each row of PROJECT that nobody has rated.

    Proposals are exported with the rows, for raters to confirm or change; they are never counted as ratings. The model
    is a classifier over a sentence encoder, or a chat model on a server (key in OPENAI_API_KEY where it needs one).
    """
    from luthier.data.annotation.intake import take_in
    from luthier.data.annotation.prelabel import prelabelled
    from luthier.data.annotation.project import Project

    opened = Project(project)
    model, name = _served(opened, options) if options["server"] else _classifier(opened, options)
    items = [item for item in opened.items() if takes_all or not (item.ratings or item.counts or item.gold)]
    with row_bar("proposing", is_silent=as_json) as advance:
        proposals = list(
            prelabelled(
                items,
                model,
                name,
                text_field=opened.settings.text_field,
                min_score=min_score,
                on_progress=advance,
            )
        )
    tally = take_in(project, proposals, source=name)
    if as_json:
        print_json({"model": name, "rows": len(items), "proposed": len(proposals), "taken": tally})
        return
    click.echo(f"{name}: {count_of(len(proposals), 'proposal')} for {count_of(len(items), 'row')}")
    click.echo(", ".join(f"{count:,} {what}" for what, count in tally.items()) or "nothing new")


def _served(project: Project, options: dict[str, Any]) -> tuple[LabelModel, str]:
    from luthier.data.annotation.project import GUIDELINES_FILE
    from luthier.data.annotation.served_model import ServedModel

    if given := [name for name in ("base", "train", "text_field", "label_field") if options[name]]:
        option = f"--{given[0].replace('_', '-')}"
        raise DataError(f"{option} has no effect beside --server", cure="leave it out")
    if options["seed"] is not None and (options["samples"] or 1) == 1:
        raise DataError("--seed has no effect on one answer a row", cure="ask for more with --samples")
    if not options["model"]:
        raise DataError("the chat model has no name", where="--model", cure="e.g. --model support-assistant")
    guidelines = project.folder / GUIDELINES_FILE
    model = ServedModel(
        options["server"],
        options["model"],
        project.settings.labels,
        guidelines.read_text(encoding="utf-8") if guidelines.is_file() else "",
        num_samples=options["samples"] or 1,
        seed=options["seed"] or 0,
        api_key=os.environ.get(_KEY),
    )
    return model, options["model"]


def _classifier(project: Project, options: dict[str, Any]) -> tuple[LabelModel, str]:
    from luthier.data.annotation.classifier import EmbeddingClassifier
    from luthier.data.annotation.labelled import labelled_rows, project_rows
    from luthier.models.embed import Embedder

    if given := [name for name in ("model", "samples", "seed") if options[name] is not None]:
        raise DataError(f"--{given[0]} has no effect without --server", cure="leave it out")
    if train := options["train"]:
        fields = {"text_field": options["text_field"], "label_field": options["label_field"]}
        rows = labelled_rows(train, **fields).rows
        for row in rows:
            project.require_label(row.label, f"{train}, row {row.id}")
    elif options["text_field"] or options["label_field"]:
        raise DataError(
            "--text-field and --label-field have no effect without --train", cure="leave them out"
        )
    else:
        rows = project_rows(project).rows
    base = options["base"] or "minilm"
    texts, labels = [row.text for row in rows], [row.label for row in rows]
    return EmbeddingClassifier.train(Embedder(base), texts, labels), f"{base}-classifier"
