"""`luthier data pii`: personal data and secrets in a file, reported, masked, replaced or dropped."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from luthier.cli.data.options import file_argument, processes_option, row_bar
from luthier.cli.output import json_option, print_json, print_table
from luthier.core.errors import DataError
from luthier.core.wording import count_of

if TYPE_CHECKING:
    from luthier.data.operators.files import Tally
    from luthier.data.pii.operator import PersonalData
    from luthier.data.pii.report import PiiReport

_ACTIONS = ("report", "mask", "partial", "pseudonymise", "drop")
_CERTAINTIES = ("checked", "pattern", "uncertain")


@click.command()
@file_argument
@click.option(
    "-o", "--output", type=click.Path(path_type=Path), help="File to write; its suffix says the kind."
)
@click.option(
    "--action",
    type=click.Choice(_ACTIONS),
    help="What becomes of a finding.  [default: mask with -o, else report]",
)
@click.option("--kinds", help="Kinds to look for, between commas; `all` adds names.  [default: all but name]")
@click.option(
    "--action-for", metavar="KIND=ACTION", multiple=True, help="Another action for a kind; again for more."
)
@click.option(
    "--min-certainty",
    type=click.Choice(_CERTAINTIES),
    default="pattern",
    show_default=True,
    help="Act upon findings at least this certain; report the others.",
)
@click.option(
    "--field",
    "fields",
    multiple=True,
    help="Field to look in, dotted where nested (messages.*.content); again for more.  [default: every string]",
)
@click.option(
    "--report", "report_file", type=click.Path(path_type=Path), help="Write each finding here (.jsonl)."
)
@click.option("--show-values", is_flag=True, help="Write the values themselves into the report.")
@click.option(
    "--map", "map_file", type=click.Path(path_type=Path), help="Keep an encrypted map here (.jsonl)."
)
@click.option("--restore", type=click.Path(path_type=Path), help="Put originals back, by this map.")
@click.option(
    "--key-env", default="LUTHIER_PII_KEY", show_default=True, help="Environment variable with the key."
)
@click.option("--presidio", metavar="SPACY_MODEL", help="Ask Presidio too, with this spaCy model (English).")
@processes_option
@json_option
def pii(file: Path, as_json: bool, **options: Any) -> None:
    """Find personal data and secrets in FILE, and mask, replace or drop them on the way to --output."""
    if options["restore"]:
        _restore(file, as_json, options)
        return
    report, tally = _run(file, as_json, options)
    if as_json:
        counts = {"report": report.as_json()}
        print_json(counts | tally.as_json() if tally else counts)
        return
    _print(report, tally, options)


def _run(file: Path, as_json: bool, options: dict[str, Any]) -> tuple[PiiReport, Tally | None]:
    from luthier.data.operators.execute import apply
    from luthier.data.operators.files import open_lines, write_batches
    from luthier.data.operators.lines import notes_only, render
    from luthier.data.pii.report import PiiReport, collected
    from luthier.data.pii.vault import writing_map
    from luthier.data.sinks import takes_json, writing

    output, report = options["output"], PiiReport()
    operator = _operator(options)
    takers: dict[str, Callable[[Any], None]] = {}
    batches, first = open_lines(file, options["fields"] or ("**",), hint=operator.hint, needs_text=False)
    last = [notes_only] if output is None else [render] if takes_json(output) else []
    with ExitStack() as files, row_bar("looking at", is_silent=as_json) as advance:
        if path := options["report_file"]:
            if path.suffix.lower() != ".jsonl":
                raise DataError("the report is a .jsonl file", where=str(path))
            takers["on_finding"] = files.enter_context(writing(path))
        if path := options["map_file"]:
            takers["on_sealed"] = files.enter_context(writing_map(path, options["key_env"]))
        found = collected(
            apply(batches, [*first, operator, *last], num_processes=options["processes"]),
            report,
            **takers,
        )
        if output is None:
            for _ in found:
                advance(report.rows)
            return report, None
        return report, write_batches(found, output, on_progress=lambda tally: advance(tally.rows))


def _operator(options: dict[str, Any]) -> PersonalData:
    from luthier.data.pii.detect import PLAIN_KINDS
    from luthier.data.pii.finding import KINDS
    from luthier.data.pii.operator import PersonalData
    from luthier.data.pii.presidio import Presidio

    output = options["output"]
    action = options["action"] or ("mask" if output else "report")
    actions = dict(_pairs(options["action_for"]))
    if output is None and ({action, *actions.values()} != {"report"} or options["map_file"]):
        raise DataError("there is no file to write to", where="--output", cure="name one with -o")
    if options["show_values"] and not options["report_file"]:
        raise DataError(
            "there is no report to write values into", where="--show-values", cure="add --report FILE"
        )
    named = options["kinds"]
    kinds = KINDS if named == "all" else tuple(filter(None, named.split(","))) if named else PLAIN_KINDS
    return PersonalData(
        action=action,
        kinds=kinds,
        actions=actions,
        min_certainty=options["min_certainty"],
        key_env=options["key_env"],
        keeps_map=options["map_file"] is not None,
        lists_findings=options["report_file"] is not None,
        shows_values=options["show_values"],
        more=(Presidio(options["presidio"]),) if options["presidio"] else (),
        numbers=options["fields"] or ("**",),
    )


def _pairs(entries: tuple[str, ...]) -> Iterator[tuple[str, str]]:
    for entry in entries:
        kind, is_pair, action = entry.partition("=")
        if not is_pair:
            raise DataError(f"{entry!r} is not KIND=ACTION", where="--action-for", cure="e.g. email=drop")
        yield kind, action


def _restore(file: Path, as_json: bool, options: dict[str, Any]) -> None:
    from luthier.data.operators.execute import apply
    from luthier.data.operators.files import open_batches, write_batches
    from luthier.data.pii.restore import Restore

    if options["output"] is None:
        raise DataError("there is no file to write to", where="--output", cure="name one with -o")
    idle = ("action", "kinds", "action_for", "report_file", "map_file", "show_values", "presidio")
    if given := [name for name in idle if options[name]]:
        option = f"--{given[0].removesuffix('_file').replace('_', '-')}"
        raise DataError("has no effect beside --restore", where=option, cure="leave it out")
    operator = Restore(options["restore"], options["key_env"])
    num_shared = operator.num_shared  # reads the map: a wrong key is said before any row is written
    batches = apply(
        open_batches(file, options["fields"] or ("**",), needs_text=False),
        [operator],
        num_processes=options["processes"],
    )
    with row_bar("restoring", is_silent=as_json) as advance:
        tally = write_batches(batches, options["output"], on_progress=lambda tally: advance(tally.rows))
    if as_json:
        print_json(tally.as_json() | {"shared_substitutes": num_shared})
        return
    click.echo(f"{count_of(tally.rows, 'row')}, {tally.changed:,} with originals put back")
    if num_shared:
        click.secho(f"{num_shared:,} substitutes stand for more than one value: they stay", fg="yellow")


def _print(report: PiiReport, tally: Tally | None, options: dict[str, Any]) -> None:
    click.echo(f"{count_of(report.rows, 'row')}, {report.rows_with_findings:,} with personal data")
    if report.findings:
        counts = sorted(report.findings.items(), key=lambda entry: (-entry[1], entry[0]))
        rows = [(kind, certainty, action, f"{number:,}") for (kind, certainty, action), number in counts]
        print_table(("kind", "certainty", "action", "findings"), rows)
        click.echo()
        examples = [
            (entry["kind"], f"row {entry['row']}", entry["path"], entry["excerpt"])
            for kind in report.by_kind()
            for entry in report.examples[kind]
        ]
        print_table(("for example", "row", "field", "excerpt"), examples)
    if report.numbers:
        became = "; replaced ones are strings now" if tally else ""
        click.echo(f"\nJSON numbers among the findings: {report.numbers:,}{became}")
    if tally:
        left_out = "".join(f", {number:,} left out ({reason})" for reason, number in tally.left_out.items())
        click.echo(
            f"\nwrote {options['output']}: {count_of(tally.kept, 'row')}, {tally.changed:,} changed{left_out}"
        )
