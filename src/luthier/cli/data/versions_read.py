"""`luthier data versions list`, `log`, `show`, `diff`, `export` and `lineage`: what there is, and was."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from luthier.cli.data.options import busy, output_option, row_bar
from luthier.cli.data.versions_options import (
    address_argument,
    dataset_and_ref,
    moment,
    name_argument,
    open_dataset,
    open_store,
    open_version,
    size,
    store_options,
)
from luthier.cli.output import json_option, print_facts, print_json, print_table
from luthier.core.wording import count_of

if TYPE_CHECKING:
    from luthier.data.versions.difference import Difference
    from luthier.data.versions.lineage import Ancestor
    from luthier.data.versions.state import State

_ROW_CHARACTERS = 400


@click.command("list")
@store_options
@json_option
def list_datasets(store: str | None, principal: str | None, as_json: bool) -> None:
    """List the data sets of a store with their latest versions."""
    opened = open_store(store, principal)
    # A name is no secret; what stands in a data set is for those who may read it.
    states = {name: opened.dataset(name).log.state() for name in opened.names()}
    if as_json:
        print_json([_summary(name, state) for name, state in states.items()])
    elif states:
        header = ("data set", "versions", "latest", "rows", "size", "made (UTC)", "tags")
        print_table(header, [_list_row(name, state) for name, state in states.items()])
    else:
        click.echo(f"no data sets in {opened.url}")


@click.command()
@name_argument
@store_options
@json_option
def log(name: str, store: str | None, principal: str | None, as_json: bool) -> None:
    """Tell what happened to the data set NAME, the oldest first."""
    dataset = open_dataset(name, store, principal)
    dataset.state()  # checks the right
    entries = list(dataset.log.entries())
    if as_json:
        print_json(entries)
        return
    rows = [
        (str(e["entry"]), moment(e["time"]), e["author"], _action(e), e.get("message", "")) for e in entries
    ]
    print_table(("", "time (UTC)", "who", "what", "message"), rows)


@click.command()
@address_argument
@click.option("--rows", type=click.IntRange(min=0), default=3, show_default=True, help="Rows to show.")
@store_options
@json_option
def show(address: str, rows: int, store: str | None, principal: str | None, as_json: bool) -> None:
    """Show the version at ADDRESS: NAME, NAME@3, NAME@TAG or NAME@2027-01-31 (what was the latest then)."""
    version = open_version(address, store, principal)
    facts, tags = version.version, version.dataset.state().tags_of(version.version.number)
    first = [row for _, row in islice(version.rows(), rows)] if rows else []
    if as_json:
        fields = [asdict(field) for field in version.manifest.fields]
        print_json(
            {"dataset": version.dataset.name, **asdict(facts), "tags": tags, "fields": fields, "first": first}
        )
        return
    print_facts(
        [
            ("version", version.name + (f" ({', '.join(tags)})" if tags else "")),
            ("made", f"{moment(facts.time)} UTC by {facts.author}"),
            *([("message", facts.message)] if facts.message else []),
            (
                "rows",
                f"{facts.rows:,} in {count_of(len(version.manifest.shards), 'file')}, {size(facts.num_bytes)}",
            ),
            ("content", facts.content),
            *([("encrypted", f"with key {facts.key}")] if facts.key else []),
        ]
    )
    print_table(
        ("field", "type", "in rows"), [(f.name, f.type, f"{f.rows:,}") for f in version.manifest.fields]
    )
    for row in first:
        click.echo(_short(row))


@click.command()
@address_argument
@click.argument("other")
@click.option("--key", multiple=True, help="Field that identifies a row; again for more.  [default: content]")
@store_options
@json_option
def diff(
    address: str, other: str, key: tuple[str, ...], store: str | None, principal: str | None, as_json: bool
) -> None:
    """Compare the version at ADDRESS with OTHER: an address, or a number, tag or time of the same data set."""
    from luthier.data.versions.diff import compare

    before = open_version(address, store, principal)
    if "@" not in other and other not in open_store(store, principal).names():
        other = f"{before.dataset.name}@{other}"
    with busy("comparing", is_silent=as_json):
        difference = compare(before, open_version(other, store, principal), key=key)
    if as_json:
        print_json(difference.to_json())
    else:
        _print_difference(difference)


@click.command()
@address_argument
@output_option
@store_options
@json_option
def export(address: str, output: Path, store: str | None, principal: str | None, as_json: bool) -> None:
    """Write the rows of the version at ADDRESS to a file, and note beside it where they came from."""
    from luthier.data.versions.export import export as export_version

    version = open_version(address, store, principal)
    with row_bar("writing", is_silent=as_json) as on_rows:
        rows = export_version(version, output, on_rows=on_rows)
    if as_json:
        print_json({"version": version.name, "rows": rows, "output": str(output)})
    else:
        click.secho(f"{count_of(rows, 'row')} of {version.name} in {output}", fg="green")


@click.command()
@address_argument
@store_options
@json_option
def lineage(address: str, store: str | None, principal: str | None, as_json: bool) -> None:
    """Trace the version at ADDRESS back to the raw files: versions, commands, operators and counts between."""
    from luthier.data.versions.lineage import lineage as trace

    dataset, ref = dataset_and_ref(address, store, principal)
    ancestor = trace(open_store(store, principal), dataset.name, ref)
    if as_json:
        print_json(asdict(ancestor))
    else:
        _print_ancestor(ancestor, "")


def _summary(name: str, state: State) -> dict[str, Any]:
    latest = state.versions[state.latest] if state.latest else None
    return {
        "dataset": name,
        "versions": sorted(state.versions),
        "latest": state.latest,
        "rows": latest.rows if latest else None,
        "num_bytes": latest.num_bytes if latest else None,
        "time": latest.time if latest else None,
        "tags": state.tags,
        "is_restricted": state.is_restricted,
    }


def _list_row(name: str, state: State) -> tuple[str, ...]:
    tags = ", ".join(f"{tag}={number}" for tag, number in sorted(state.tags.items()))
    if state.latest is None:
        return name, "0", "", "", "", "", tags
    latest = state.versions[state.latest]
    facts = f"{latest.rows:,}", size(latest.num_bytes), moment(latest.time)
    return name, str(len(state.versions)), str(latest.number), *facts, tags


def _action(entry: Mapping[str, Any]) -> str:
    action = entry["action"]
    if action == "snapshot":
        tag = f", tag {entry['tag']}" if entry["tag"] else ""
        return f"version {entry['version']}, {count_of(entry['rows'], 'row')}{tag}"
    if action in ("cool", "warm"):
        return f"{action} {count_of(len(entry['objects']), 'file')}"
    parts = [str(entry[name]) for name in ("tag", "principal", "right", "version") if name in entry]
    return f"{action} {' '.join(parts)}"


def _print_difference(difference: Difference) -> None:
    if difference.is_equal and not difference.schema:
        click.secho(f"{difference.before} and {difference.after} hold the same rows", fg="green")
        return
    for name in ("added", "removed", "changed", "same"):
        click.echo(f"{getattr(difference, name):>12,} {name}")
    if difference.references:
        click.echo(f"{difference.references:>12,} files that rows refer to differ")
    if difference.is_reordered:
        click.echo("the rows that both have come in another order")
    for name, number in difference.changed_fields.most_common():
        click.echo(f"field {name} differs in {count_of(number, 'changed row')}")
    for name, (old, new) in difference.schema.items():
        click.echo(f"field {name}: {old or 'absent'} → {new or 'absent'}")
    for kind, colour, sign in (("removed", "red", "-"), ("added", "green", "+")):
        for row in difference.examples[kind]:
            click.secho(f"{sign} row {row['row']}: {_short(row['content'])}", fg=colour)
    for pair in difference.examples["changed"]:
        for sign, colour, side in (("-", "red", "before"), ("+", "green", "after")):
            click.secho(f"{sign} row {pair[side]['row']}: {_short(pair[side]['content'])}", fg=colour)


def _print_ancestor(ancestor: Ancestor, indent: str) -> None:
    facts = (
        ancestor.note or f"{count_of(ancestor.rows or 0, 'row')}, {moment(ancestor.time)}, {ancestor.author}"
    )
    message = f": {ancestor.message}" if ancestor.message else ""
    click.echo(f"{indent}{click.style(ancestor.name, bold=True)}  {facts}{message}")
    for file in ancestor.files:
        click.echo(
            f"{indent}  file {file['path']} ({count_of(file['rows'], 'row')}, sha256 {file['sha256'][:12]})"
        )
    for origin in ancestor.origins:
        if origin["command"]:
            click.echo(f"{indent}  by   {origin['command']}  [{origin['code']}]")
        for step in origin["steps"]:
            click.echo(f"{indent}  step {json.dumps(step, ensure_ascii=False)}")
        if origin["counts"]:
            click.echo(f"{indent}  rows {json.dumps(origin['counts'], ensure_ascii=False)}")
        if origin["is_edited"]:
            click.secho(f"{indent}  the file was changed after that", fg="yellow")
    for parent in ancestor.parents:
        _print_ancestor(parent, f"{indent}    ")


def _short(row: Any) -> str:
    text = json.dumps(row, ensure_ascii=False, default=str)
    return text if len(text) <= _ROW_CHARACTERS else f"{text[:_ROW_CHARACTERS]}…"
