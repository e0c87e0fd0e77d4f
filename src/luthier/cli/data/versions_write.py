"""`luthier data versions snapshot`, `tag`, `untag` and `rollback`: what makes and names versions."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from luthier.cli.data.options import row_bar
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
from luthier.core.version_address import is_address
from luthier.core.wording import count_of

if TYPE_CHECKING:
    from luthier.data.versions.state import Version
    from luthier.data.versions.store import Store
    from luthier.data.versions.writer import SourceFile


@click.command()
@click.argument("files", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option("--name", required=True, help="Data set; it is made if there is none.")
@click.option("-m", "--message", default="", help="What the log says about the version.")
@click.option("--tag", help="Name to give to the version.")
@click.option("--move-tag", is_flag=True, help="Take the tag from the version that has it.")
@click.option(
    "--from",
    "inputs",
    multiple=True,
    type=click.Path(path_type=Path),
    help="File or dataset:// address that the rows were made from; again for more.  [default: what is noted]",
)
@click.option(
    "--reference-field",
    "reference_fields",
    multiple=True,
    help="Field that names files, such as images; each is checked and its hash recorded.",
)
@click.option("--encrypt", is_flag=True, help="Encrypt with the key in $LUTHIER_DATA_KEY or the keyring.")
@store_options
@json_option
def snapshot(
    files: Sequence[Path], name: str, store: str | None, principal: str | None, as_json: bool, **options: Any
) -> None:
    """Store the rows of FILES as a version of a data set; rows that it has already make no new one."""
    from luthier.data.versions.references import ReferenceReader
    from luthier.data.versions.snapshot import Snapshot

    opened = open_store(store, principal)
    dataset = opened.make_dataset(name)
    references = ReferenceReader(options["reference_fields"])
    with row_bar("storing", is_silent=as_json) as on_rows:
        taken = Snapshot(
            message=options["message"],
            tag=options["tag"],
            moves_tag=options["move_tag"],
            is_encrypted=options["encrypt"],
            references=references,
            on_rows=on_rows,
        ).take(dataset, [_source(file, opened, options["inputs"]) for file in files])
    if as_json:
        facts = {
            "is_new": taken.is_new,
            "new_shards": taken.new_shards,
            "references": dict(references.counts),
        }
        print_json(_facts(name, taken.version) | facts)
        return
    version = taken.version
    state = "stored" if taken.is_new else "has these rows already"
    click.secho(f"{name}@{version.number} {state}", fg="green")
    new = f"{count_of(taken.new_shards, 'new file')} of rows" if taken.is_new else "nothing written"
    click.echo(f"{count_of(version.rows, 'row')}, {size(version.num_bytes)}, {new}")
    for kind, number in references.counts.items():
        checked = "checked" if kind == "files" else "not looked at"
        click.echo(f"{count_of(number, kind.removesuffix('s'))} that rows refer to, {checked}")


@click.command()
@address_argument
@click.argument("tag")
@click.option("--move", is_flag=True, help="Take the tag from the version that has it.")
@store_options
@json_option
def tag(address: str, tag: str, move: bool, store: str | None, principal: str | None, as_json: bool) -> None:
    """Give the version at ADDRESS (NAME@REF) the name TAG."""
    from luthier.data.versions.tags import set_tag

    dataset, ref = dataset_and_ref(address, store, principal)
    version = set_tag(dataset, tag, ref, may_move=move)
    _tell(dataset.name, version, f"is {tag}", as_json)


@click.command()
@name_argument
@click.argument("tag")
@store_options
@json_option
def untag(name: str, tag: str, store: str | None, principal: str | None, as_json: bool) -> None:
    """Take the tag TAG from the data set NAME; the version stays."""
    from luthier.data.versions.tags import remove_tag

    remove_tag(open_dataset(name, store, principal), tag)
    if as_json:
        print_json({"dataset": name, "removed": tag})
    else:
        click.echo(f"{name} has no tag {tag} any more")


@click.command()
@address_argument
@click.option("-m", "--message", default="", help="Why.")
@store_options
@json_option
def rollback(address: str, message: str, store: str | None, principal: str | None, as_json: bool) -> None:
    """Make the version at ADDRESS (NAME@REF) the latest; with NAME alone, the one before the latest.

    Later versions stay: they are read by number, tag and time as before.
    """
    from luthier.data.versions.rollback import roll_back

    dataset, ref = dataset_and_ref(address, store, principal)
    version = roll_back(dataset, ref, message=message)
    _tell(dataset.name, version, "is the latest", as_json)


def _source(file: Path, store: Store, inputs: Sequence[Path]) -> SourceFile:
    from luthier.core.hashing import hash_file
    from luthier.data.sources import read_rows
    from luthier.data.versions.origin import made_from, origin_of, with_parents
    from luthier.data.versions.writer import SourceFile

    if is_address(file):
        origin = made_from([file, *inputs])
    elif inputs:
        origin = made_from(inputs)
    else:
        known = origin_of(file, hash_file(file)) if file.is_file() else None
        return SourceFile(file, read_rows(file), with_parents(known, store) if known else None)
    return SourceFile(file, read_rows(file), with_parents(origin, store))


def _tell(name: str, version: Version, claim: str, as_json: bool) -> None:
    if as_json:
        print_json(_facts(name, version))
    else:
        click.secho(f"{name}@{version.number} {claim}", fg="green")


def _facts(name: str, version: Version) -> dict[str, Any]:
    return {
        "dataset": name,
        "version": version.number,
        "rows": version.rows,
        "num_bytes": version.num_bytes,
        "content": version.content,
        "time": version.time,
        "author": version.author,
        "encrypted_with": version.key,
    }
