"""`luthier rate judge`: a model's verdicts, each pair judged twice."""

from __future__ import annotations

import os
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import click

from luthier.cli.output import json_option, print_facts, print_json
from luthier.cli.progress import make_progress
from luthier.cli.rate.options import confidence_option, partial_option, seed_option
from luthier.core.errors import DataError, LuthierError

if TYPE_CHECKING:
    from luthier.data.annotation.agreement import Agreement
    from luthier.evaluate.rating.judgement import Judgement

_KEY = "OPENAI_API_KEY"
_SHOWN = 5


@click.command()
@click.argument("folder", type=click.Path(path_type=Path))
@click.argument("ratings", nargs=-1, type=click.Path(path_type=Path))
@click.option("--endpoint", "url", required=True, metavar="URL", help="An OpenAI-compatible server.")
@click.option("--model", required=True, help="Name of the judge there.")
@click.option(
    "--max-new-tokens", type=click.IntRange(min=1), default=1024, show_default=True, help="Of a reply."
)
@click.option(
    "--at-once", type=click.IntRange(min=1), default=4, show_default=True, help="Questions at a time."
)
@click.option("--timeout", type=click.FloatRange(0, min_open=True), default=300.0, show_default=True,
              help="Seconds for one reply.")  # fmt: skip
@click.option("--max-failed", type=click.FloatRange(0, 1), default=0.05, show_default=True,
              help="Share of verdicts that may fail; beyond it the command ends with exit code 2.")  # fmt: skip
@partial_option
@confidence_option
@seed_option
@json_option
def judge(
    folder: Path,
    ratings: tuple[Path, ...],
    url: str,
    model: str,
    max_new_tokens: int,
    at_once: int,
    timeout: float,
    max_failed: float,
    is_partial: bool,
    confidence: float,
    seed: int,
    as_json: bool,
) -> None:
    """Let a model judge the pairs of the page in FOLDER, and compare it with the people's files RATINGS.

    Each pair is asked twice, with the places swapped. A pair whose two verdicts differ counts as a tie and is told; one
    whose verdict failed counts as nothing and is told. Replies are kept in FOLDER, so that the same command goes on
    where it was stopped. The server's key is read from OPENAI_API_KEY.
    """
    from luthier.cli.rate.told import agreement_facts
    from luthier.data.annotation.agreement import Bootstrap
    from luthier.evaluate.rating.intake import read_ratings
    from luthier.evaluate.rating.judge import judge_all
    from luthier.evaluate.rating.judgement import agreement_with_people, summarize_judged
    from luthier.evaluate.rating.sheet import read_sheet
    from luthier.models.endpoint import Endpoint

    if is_partial and not ratings:
        raise DataError("has no effect without files of ratings", where="--partial", cure="leave it out")
    sheet = read_sheet(folder)
    rated = read_ratings(ratings, sheet, is_partial=is_partial) if ratings else []
    progress = make_progress(json_lines=as_json)
    try:
        judged = judge_all(
            sheet,
            Endpoint(url, model, os.environ.get(_KEY), timeout_seconds=timeout),
            folder,
            max_new_tokens=max_new_tokens,
            at_once=at_once,
            on_progress=lambda done, total: progress(
                {"kind": "progress", "stage": "judge", "done": done, "total": total}
            ),
        )
    finally:
        progress.close()
    found = summarize_judged(judged, confidence)
    people = None
    if rated and found.winners:
        people = agreement_with_people(found, rated, Bootstrap(confidence=confidence, seed=seed))
    num_kept = sum(one.was_kept for one in judged)
    if as_json:
        more = {"model": model, "confidence": confidence, "kept": num_kept, "identical": sheet.num_identical}
        print_json(
            {**asdict(found), "failed_share": found.failed_share, **more, "people": agreement_facts(people)}
        )
    else:
        _print(found, people, num_kept)
    if found.failed_share > max_failed:
        raise LuthierError(
            f"{found.num_failed:,} of {2 * found.num_pairs:,} verdicts failed ({found.failed_share:.1%}), "
            f"{max_failed:.1%} may: the win rate is not to be trusted",
            where=f"judge {model}",
            cure="call it again for what the server refused; raise --max-new-tokens, or take another judge",
        )


def _print(found: Judgement, people: Agreement | None, num_kept: int) -> None:
    from luthier.cli.rate.told import interval_text, measures_of, place_text, print_measures, warn

    counts = [list(found.winners.values()).count(winner) for winner in ("tuned", "tie", "base")]
    print_facts(
        [
            ("tuned model wins", interval_text(found.win_rate)),
            ("pairs", f"{len(found.winners):,} of {found.num_pairs:,} with both verdicts: {counts[0]:,} wins, "
                      f"{counts[1]:,} ties, {counts[2]:,} losses"),
            ("inconsistent", f"{len(found.inconsistent):,} counted as ties; {len(found.flipped):,} of them chose "
                             "the same place twice"),
            ("first shown wins", place_text(found.first_share)),
            ("failed verdicts", f"{found.num_failed:,} of {2 * found.num_pairs:,} ({found.failed_share:.1%})"),
            ("kept from before", f"{num_kept:,}"),
        ]
    )  # fmt: skip
    for item, why in found.failures[:_SHOWN]:
        warn(f"{item}: {why}")
    if len(found.failures) > _SHOWN:
        warn(f"and {len(found.failures) - _SHOWN:,} more; --json tells all")
    if people is not None:
        click.echo("\njudge and the majority of people:")
        print_measures(m for m in measures_of(people) if m.name.startswith(("cohen", "observed")))
