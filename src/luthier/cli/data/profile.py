"""`luthier data profile`: what is in the rows, and where they differ."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from luthier.cli.data.options import pairs_of, row_bar
from luthier.cli.output import json_option, print_facts, print_json, print_table
from luthier.core.errors import DataError

if TYPE_CHECKING:
    from luthier.data.profile.profiler import Profiler

_SHOWN = 8


@click.command()
@click.argument("files", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option(
    "--compare",
    multiple=True,
    type=click.Path(path_type=Path),
    help="Rows to compare with, e.g. an older version; again for more.  [default: each FILE with the first]",
)
@click.option("-o", "--output", type=click.Path(path_type=Path), help="Write the report here (.html).")
@click.option("--schema", help="Name the schema instead of detecting it.")
@click.option(
    "--column", "columns", multiple=True, metavar="FIELD=COLUMN", help="Own column name, e.g. label=category."
)
@click.option(
    "--attribute", "attributes", multiple=True, help="Column to look at beside the label; again for more."
)
@click.option("--group", help="Column of the groups that stay together in splits.")
@click.option(
    "--bins",
    multiple=True,
    metavar="ATTRIBUTE=EDGES",
    help="Look at an attribute's numbers in ranges, e.g. price=10,100.  [default: age=18,25,35,45,55,65]",
)
@click.option("--base", help="Base whose tokenizer is used: counts tokens too.")
@click.option("--no-language", is_flag=True, help="Do not tell languages.")
@click.option("--seed", type=int, default=0, show_default=True, help="Of permutations.")
@json_option
def profile(
    files: tuple[Path, ...], compare: tuple[Path, ...], output: Path | None, as_json: bool, **options: Any
) -> None:
    """Report classes, lengths, languages, duplicates, bias and drift of the rows of FILES."""
    from luthier.core.files import write_text
    from luthier.data.profile.describe import describe
    from luthier.data.profile.report import render

    if output is not None and output.suffix.lower() not in (".html", ".htm"):
        raise DataError("the report is an .html file", where=str(output), cure="--json for programs")
    profiler = _read(files, options, as_json)
    reference = _read(compare, options, as_json) if compare else None
    found = describe(profiler, reference=reference, seed=options["seed"])
    if output is not None:
        write_text(output, render(found))
    if as_json:
        print_json(found)
        return
    _print(found)
    if output is not None:
        click.echo(f"\nwrote {output}")


def _read(files: Sequence[Path], options: dict[str, Any], as_json: bool) -> Profiler:
    from luthier.data.profile.profiler import Profiler
    from luthier.data.read import open_source
    from luthier.recipe.source_section import Source

    tokenizer = None
    if options["base"]:
        from luthier.data.tokenizer import load_tokenizer
        from luthier.models.load import locate_base

        tokenizer = load_tokenizer(locate_base(options["base"]))
    profiler = Profiler(
        bins=_bins(options["bins"]), tokenizer=tokenizer, has_languages=not options["no_language"]
    )
    columns = dict(pairs_of("--column", options["columns"]))
    parents = {file.parent for file in files}
    folder = next(iter(parents)) if len(parents) == 1 else None
    with row_bar("reading", is_silent=as_json) as advance:
        before = 0
        for file in files:
            settings = {"schema": options["schema"], "columns": columns}
            name = str(file.relative_to(folder)) if folder else str(file)
            source = Source.model_validate(
                {"path": str(file), "attributes": list(options["attributes"]), **settings}
            )
            opened = open_source(source, Path(), group_by=options["group"], on_row=profiler.raw.add)
            done = 0
            for done in profiler.read(name, opened.rows):
                advance(before + done)
            before += done
    return profiler


def _bins(entries: Sequence[str]) -> dict[str, list[float]]:
    bins = {}
    for name, edges in pairs_of("--bins", entries):
        try:
            bins[name] = sorted({float(edge) for edge in edges.split(",")})
        except ValueError as error:
            raise DataError(
                f"{edges!r} are no numbers between commas", where="--bins", cure="e.g. age=18,30,60"
            ) from error
    return bins


def _print(found: dict[str, Any]) -> None:
    where = found["files"][0]["name"] if len(found["files"]) == 1 else f"{len(found['files'])} files"
    facts = [("rows", f"{found['rows']:,} in {where}")]
    facts += [("left out", f"{e['rows']:,} {reason}") for reason, e in found["left_out"].items()]
    if classes := found["classes"]:
        facts.append(("classes", f"{classes['number']:,}, as even as {classes['effective']:.1f}"))
    for name, lengths in found["characters"].items():
        facts.append((name, f"{_span(lengths)} characters"))
    if tokens := found["tokens"]:
        facts.append(
            ("tokens", f"{_span(tokens['of_rows'])}; {tokens['tokens_per_character']:.3f} a character")
        )
    print_facts(facts)
    columns = found["columns"].items()
    for name, values in [("class", found["classes"]), *((n, c) for n, c in columns if n != "length")]:
        if values:
            shown = [(v["name"], f"{v['rows']:,}", f"{v['share']:.1%}") for v in values["values"]]
            more = [(f"… {len(shown) - _SHOWN:,} more", "", "")] if len(shown) > _SHOWN else []
            click.echo()
            print_table((name, "rows", "share"), [*shown[:_SHOWN], *more])
    _print_comparisons(found)
    click.echo()
    for finding in found["findings"]:
        colour = "yellow" if finding["level"] == "warning" else None
        cure = f"\n         → {finding['cure']}" if finding["cure"] else ""
        click.secho(f"{finding['level']:<9}{finding['text']}{cure}", fg=colour)
    if not found["findings"]:
        click.secho("nothing stands out", fg="green")


def _span(lengths: dict[str, Any]) -> str:
    return (
        f"{lengths['min']:,} to {lengths['max']:,}, median {lengths['p50']:,}, 95 % up to {lengths['p95']:,}"
    )


def _print_comparisons(found: dict[str, Any]) -> None:
    if found["associations"]:
        click.echo()
        print_table(
            ("columns", "Cramér's V", "q"),
            [
                (f"{e['first']} × {e['second']}", f"{e['cramers_v']:.3f}", _small(e["q_value"]))
                for e in found["associations"][:_SHOWN]
            ],
        )
    for pair in found["drift"]:
        click.echo()
        print_table(
            (f"{pair['before']} → {pair['after']}", "stability index", "by chance", "JS bits", ""),
            [
                (e["column"], *(f"{e[key]:.4f}" for key in ("psi", "psi_of_chance", "jensen_shannon")), e["verdict"])
                for e in pair["columns"]
            ],
        )  # fmt: skip


def _small(value: float | None) -> str:
    return "too few rows" if value is None else "< 0.001" if value < 0.001 else f"{value:.3f}"
