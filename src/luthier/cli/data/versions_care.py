"""`luthier data versions forget`, `gc`, `cool`, `warm` and `verify`: what keeps a store small and whole."""

from __future__ import annotations

from dataclasses import asdict
from datetime import timedelta

import click

from luthier.cli.data.options import busy, row_bar
from luthier.cli.data.versions_options import (
    address_argument,
    dataset_and_ref,
    name_argument,
    open_dataset,
    open_store,
    size,
    store_options,
)
from luthier.cli.output import json_option, print_json
from luthier.core.errors import DataError
from luthier.core.wording import count_of

_dry_run_option = click.option("--dry-run", is_flag=True, help="Tell what would be done, and do nothing.")


@click.command()
@address_argument
@store_options
@json_option
def forget(address: str, store: str | None, principal: str | None, as_json: bool) -> None:
    """Take the version at ADDRESS (NAME@REF) out of its data set; `gc` deletes its files."""
    from luthier.data.versions.garbage import forget as forget_version

    dataset, ref = dataset_and_ref(address, store, principal)
    if ref is None:
        raise DataError(f"{address} names no version", cure=f"name one: {address}@1")
    number = forget_version(dataset, ref)
    if as_json:
        print_json({"dataset": dataset.name, "forgotten": number})
    else:
        click.echo(
            f"{dataset.name}@{number} is forgotten; luthier data versions gc {dataset.name} deletes its files"
        )


@click.command()
@name_argument
@click.option(
    "--keep",
    type=click.IntRange(min=1),
    help="Forget all but so many of the newest versions; the latest and those with tags stay.",
)
@click.option(
    "--grace-hours",
    type=click.FloatRange(min=1),
    default=24.0,
    show_default=True,
    help="Files younger than this stay: a snapshot that is being taken may need them.",
)
@_dry_run_option
@store_options
@json_option
def gc(
    name: str,
    keep: int | None,
    grace_hours: float,
    dry_run: bool,
    store: str | None,
    principal: str | None,
    as_json: bool,
) -> None:
    """Delete the files of the data set NAME that no version needs."""
    from luthier.data.versions.garbage import collect

    dataset = open_dataset(name, store, principal)
    with busy("collecting", is_silent=as_json):
        done = collect(dataset, keep=keep, grace=timedelta(hours=grace_hours), is_dry_run=dry_run)
    if as_json:
        print_json({"dataset": name, "is_dry_run": dry_run, **asdict(done)})
        return
    would = "would be " if dry_run else ""
    if done.forgotten:
        click.echo(f"{would}forgotten: versions {', '.join(map(str, done.forgotten))}")
    click.echo(f"{would}deleted: {count_of(done.files, 'file')}, {size(done.num_bytes)}")
    if done.waiting:
        click.echo(f"younger than {grace_hours:g} hours, kept: {count_of(done.waiting, 'file')}")


@click.command()
@name_argument
@click.option("--to", required=True, metavar="URL", help="Cold tier: a URL or an absolute folder.")
@click.option(
    "--unused-days",
    type=click.IntRange(min=0),
    default=90,
    show_default=True,
    help="A version is cold when it was not made or read for so many days; the latest and tagged ones never.",
)
@_dry_run_option
@store_options
@json_option
def cool(
    name: str,
    to: str,
    unused_days: int,
    dry_run: bool,
    store: str | None,
    principal: str | None,
    as_json: bool,
) -> None:
    """Move the files that only cold versions of NAME need to cheaper storage; they are read from there."""
    from luthier.data.versions.tiers import cool as cool_dataset

    with busy("moving", is_silent=as_json):
        moved = cool_dataset(
            open_dataset(name, store, principal), to, unused=timedelta(days=unused_days), is_dry_run=dry_run
        )
    if as_json:
        print_json({"dataset": name, "is_dry_run": dry_run, **asdict(moved)})
        return
    cold = ", ".join(map(str, moved.versions)) or "none"
    would = "would be " if dry_run else ""
    click.echo(
        f"cold versions: {cold}; {would}moved: {count_of(moved.files, 'file')}, {size(moved.num_bytes)}"
    )


@click.command()
@address_argument
@store_options
@json_option
def warm(address: str, store: str | None, principal: str | None, as_json: bool) -> None:
    """Bring the files of the version at ADDRESS (NAME@REF) back from the cold tier."""
    from luthier.data.versions.tiers import warm as warm_version

    dataset, ref = dataset_and_ref(address, store, principal)
    with busy("moving", is_silent=as_json):
        moved = warm_version(dataset, ref)
    if as_json:
        print_json({"dataset": dataset.name, **asdict(moved)})
    else:
        click.echo(f"brought back: {count_of(moved.files, 'file')}, {size(moved.num_bytes)}")


@click.command()
@click.argument("names", nargs=-1, metavar="[NAME]...")
@click.option("--skip-references", is_flag=True, help="Do not read the files that rows refer to.")
@store_options
@json_option
def verify(
    names: tuple[str, ...], skip_references: bool, store: str | None, principal: str | None, as_json: bool
) -> None:
    """Read all that the data sets NAME hold (by default all of the store) and compare it with its hashes."""
    from luthier.data.versions.verify import faults

    opened = open_store(store, principal)
    found: list[str] = []
    checked = names or opened.names()
    with row_bar("verifying", is_silent=as_json) as on_rows:
        for name in checked:
            found += faults(opened.dataset(name), checks_references=not skip_references, on_rows=on_rows)
    if as_json:
        print_json({"store": opened.url, "datasets": list(checked), "faults": found})
    elif found:
        for fault in found:
            click.secho(fault, fg="red")
    else:
        click.secho(f"{count_of(len(checked), 'data set')} verified, no fault", fg="green")
    if found:
        raise SystemExit(2)
