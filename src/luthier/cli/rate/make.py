"""`luthier rate make`: a page of blind pairs, and its key."""

from __future__ import annotations

from pathlib import Path

import click

from luthier.cli.output import json_option, print_facts, print_json
from luthier.core.wording import count_of


@click.command()
@click.argument("inputs", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option(
    "--out", required=True, type=click.Path(path_type=Path, file_okay=False), help="Folder to make."
)
@click.option(
    "--seed", type=click.IntRange(min=0), default=0, show_default=True, help="Of the order of answers."
)
@json_option
def make(inputs: tuple[Path, ...], out: Path, seed: int, as_json: bool) -> None:
    """Write a page on which people choose the better of two answers, without knowing whose they are.

    INPUTS is a run, a report.json or an output folder of `luthier evaluate`; or two files of rows with `prompt`,
    `answer` and perhaps `reference`: BASE.jsonl TUNED.jsonl. The page is one HTML file that opens offline.
    """
    from luthier.evaluate.rating.pairs import read_pairs
    from luthier.evaluate.rating.sheet import KEY_FILE, PAGE_FILE, make_sheet, write_sheet

    if len(inputs) > 2:
        raise click.UsageError(f"one report or two files of answers are expected, got {len(inputs)}")
    sheet = make_sheet(read_pairs(inputs), seed)
    write_sheet(sheet, out)
    if as_json:
        print_json({"page": str(out / PAGE_FILE), "key": str(out / KEY_FILE), "id": sheet.page, "seed": seed,
                    "items": len(sheet.items), "identical": sheet.num_identical})  # fmt: skip
        return
    left_out = (
        f"; {count_of(sheet.num_identical, 'pair')} of equal answers left out" if sheet.num_identical else ""
    )
    print_facts(
        [
            ("pairs", f"{len(sheet.items):,}{left_out}"),
            ("give to raters", str(out / PAGE_FILE)),
            ("keep from them", str(out / KEY_FILE)),
            ("then", f"luthier rate import {out} RATINGS.json..."),
        ]
    )
