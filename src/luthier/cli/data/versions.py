"""`luthier data versions`: data sets under version, their names and one-line helps."""

from __future__ import annotations

import click

from luthier.cli.lazy import LazyGroup

_AT = "luthier.cli.data.versions"

VERSION_COMMANDS = {
    "snapshot": (f"{_AT}_write:snapshot", "Store the rows of files as a version."),
    "list": (f"{_AT}_read:list_datasets", "List the data sets of a store."),
    "log": (f"{_AT}_read:log", "Tell what happened to a data set."),
    "show": (f"{_AT}_read:show", "Show a version and its first rows."),
    "diff": (f"{_AT}_read:diff", "Compare two versions."),
    "export": (f"{_AT}_read:export", "Write a version to a file."),
    "lineage": (f"{_AT}_read:lineage", "Trace a version back to the raw files."),
    "tag": (f"{_AT}_write:tag", "Give a version a name."),
    "untag": (f"{_AT}_write:untag", "Take a version's name away."),
    "rollback": (f"{_AT}_write:rollback", "Make an earlier version the latest."),
    "forget": (f"{_AT}_care:forget", "Take a version out of a data set."),
    "gc": (f"{_AT}_care:gc", "Delete the files that no version needs."),
    "cool": (f"{_AT}_care:cool", "Move what nobody reads to cheaper storage."),
    "warm": (f"{_AT}_care:warm", "Bring a version back from the cold tier."),
    "verify": (f"{_AT}_care:verify", "Compare everything that is stored with its hashes."),
    "rights": (f"{_AT}_access:rights", "List who may do what."),
    "grant": (f"{_AT}_access:grant", "Give somebody a right."),
    "revoke": (f"{_AT}_access:revoke", "Take somebody's right away."),
    "new-key": (f"{_AT}_access:new_key", "Make a key for encryption at rest."),
}


@click.group(cls=LazyGroup, commands_at=VERSION_COMMANDS)
def versions() -> None:
    """Keep data sets under version: snapshots, tags, differences, lineage, tiers and rights.

    Where a file of rows can stand, dataset://NAME@REF names a version: REF is a number, a tag, a time
    (what was the latest then) or nothing for the latest.
    """
