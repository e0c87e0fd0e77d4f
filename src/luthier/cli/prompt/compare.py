"""`luthier prompt compare`: which of several prompts is better, and whether the difference is real."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from luthier.cli.output import json_option, print_json, print_table
from luthier.cli.progress import make_progress
from luthier.cli.prompt.options import data_of, embedder_of, opened
from luthier.core.errors import DataError

if TYPE_CHECKING:
    from luthier.prompts.answer import Asked
    from luthier.prompts.sections import PromptFile

_KEY = "OPENAI_API_KEY"
_METRICS = ("exact_match", "rouge", "accuracy", "choice_log_likelihood")


@click.command()
@click.argument("files", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option("--model", required=True, help="A run, a model's folder, a base; with --server its name there.")
@click.option("--server", help="Ask an OpenAI-compatible server, e.g. of `luthier serve`.")
@click.option("--data", type=click.Path(path_type=Path), help="Rows.  [default: what the prompts name]")
@click.option("--metric", type=click.Choice(_METRICS), required=True, help="What decides.")
@click.option(
    "--normalize",
    type=click.Choice(["sum", "token", "byte"]),
    help="Of choice_log_likelihood: divide by nothing, by a choice's tokens or bytes.  [default: sum]",
)
@click.option(
    "--rows", type=click.IntRange(min=2), help="Take so many rows, drawn at random.  [default: all]"
)
@click.option("--cluster-by", help="Field of the rows that stand and fall together, e.g. their document.")
@click.option(
    "--confidence", type=click.FloatRange(0.5, 0.999), default=0.95, show_default=True, help="Of intervals."
)
@click.option(
    "--bootstrap-samples", type=click.IntRange(min=100), default=2000, show_default=True, help="Resamples."
)
@click.option(
    "--permutations", type=click.IntRange(min=100), default=20_000, show_default=True, help="Of a test."
)
@click.option(
    "--seed", type=click.IntRange(min=0), default=0, show_default=True, help="Of rows, resamples and tests."
)
@click.option("--at-once", type=click.IntRange(min=1), help="Questions to a server at a time.  [default: 8]")
@click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path),
    default=Path("prompt-comparison"),
    show_default=True,
    help="Folder of the report and of all answers; the same command goes on where it was stopped.",
)
@json_option
def compare(files: tuple[Path, ...], output: Path, as_json: bool, **options: Any) -> None:
    """Ask a model all prompts FILES about the same rows, and judge the differences.

    Each prompt gets a score with its confidence interval; each two of them a paired test, corrected for the number of
    comparisons, and an effect size. A server's key is read from OPENAI_API_KEY.
    """
    from luthier.core.files import strict_json, write_json, write_text
    from luthier.prompts.compare import compare as compare_prompts
    from luthier.prompts.finished import FinishedAnswers
    from luthier.prompts.judge import Settings
    from luthier.prompts.load import load_prompt
    from luthier.prompts.report import render_report
    from luthier.prompts.rows import read_prompt_rows, sampled

    _check_options(options)
    prompts = [(path, load_prompt(path)) for path in files]
    _check_names(prompts)
    rows = sampled(read_prompt_rows(data_of(prompts, options["data"])), options["rows"], options["seed"])
    compiled = opened(prompts, rows, embedder_of)
    asked = _asked(options)
    finished = FinishedAnswers(output / "answers.jsonl")
    names = ("confidence", "bootstrap_samples", "permutations", "seed", "cluster_by")
    progress = make_progress(json_lines=as_json)
    try:
        content = compare_prompts(
            compiled,
            rows,
            asked,
            options["metric"],
            finished,
            Settings(**{name: options[name] for name in names}),
            normalize=options["normalize"] or "sum",
            on_progress=lambda name, done, total: progress(
                {"kind": "progress", "stage": name, "done": done, "total": total}
            ),
        )
    finally:
        progress.close()
    write_json(output / "report.json", strict_json(content))
    write_text(output / "report.html", render_report(content))
    if as_json:
        print_json({**content, "report": str(output / "report.html")})
    else:
        _print(content, output)


def _check_options(options: dict[str, Any]) -> None:
    if options["normalize"] and options["metric"] != "choice_log_likelihood":
        problem = f"has no effect with --metric {options['metric']}"
        raise DataError(problem, where="--normalize", cure="--metric choice_log_likelihood, or leave it out")
    if options["at_once"] and not options["server"]:
        raise DataError("has no effect without --server", where="--at-once", cure="leave it out")


def _check_names(prompts: Sequence[tuple[Path, PromptFile]]) -> None:
    names = [file.name for _, file in prompts]
    if twice := next((name for name in names if names.count(name) > 1), None):
        raise DataError(f"two prompts have the name {twice!r}", cure="give each a `name:` of its own")


def _asked(options: dict[str, Any]) -> Asked:
    if options["server"]:
        from luthier.models.endpoint import Endpoint
        from luthier.prompts.served_model import ServedModel

        endpoint = Endpoint(options["server"], options["model"], os.environ.get(_KEY))
        return ServedModel(endpoint, options["at_once"] or 8)
    from luthier.cli.target import model_of
    from luthier.prompts.local_model import LocalModel

    return LocalModel.from_folder(*model_of(options["model"]))


def _print(content: dict[str, Any], output: Path) -> None:
    ordered = sorted(content["prompts"], key=lambda prompt: -prompt["score"]["value"])
    print_table(
        (
            "prompt",
            content["metric"],
            f"{content['settings']['confidence']:.0%} interval",
            "tokens a row",
            "no answer",
        ),
        [
            (
                p["name"],
                f"{p['score']['value']:.3f}",
                f"{p['score']['low']:.3f} to {p['score']['high']:.3f}",
                "–"
                if p["prompt_tokens"] is None
                else f"{p['prompt_tokens']:.0f} + {p['new_tokens'] or 0:.0f}",
                f"{p['without_answer']}",
            )
            for p in ordered
        ],
    )
    click.echo()
    for pair in content["pairs"]:
        click.secho(pair["text"], fg="green" if pair["is_real"] else None)
    if len(content["pairs"]) > 1 or not content["pairs"]:
        click.secho(content["verdict"], bold=True)
    for notice in content["notices"]:
        click.secho(f"warning: {notice}", fg="yellow")
    kept = sum(prompt["kept_answers"] for prompt in content["prompts"])
    if kept:
        click.echo(f"{kept:,} answers were kept from before")
    click.echo(f"wrote {output / 'report.html'}")
