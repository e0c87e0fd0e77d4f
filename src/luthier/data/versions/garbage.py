"""Forget versions, and delete the files that no version needs any more."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from luthier.core.errors import DataError
from luthier.data.versions.dataset import DataSet, object_path
from luthier.data.versions.read import use_path
from luthier.data.versions.state import State
from luthier.data.versions.storage import Storage, open_storage

LEAST_GRACE = timedelta(hours=1)
"""Younger files may belong to a snapshot that is being taken, whose log entry is still to come."""


@dataclass(frozen=True)
class Collected:
    """What garbage collection did, or would do.

    Args:
        forgotten: Versions.
        files: Files deleted.
        num_bytes: Their size.
        waiting: Files that no version needs and that are younger than the grace.
    """

    forgotten: tuple[int, ...]
    files: int
    num_bytes: int
    waiting: int


def forget(dataset: DataSet, ref: str) -> int:
    """Take a version out of the data set, and return its number; `collect` deletes its files.

    Raises:
        DataError: It is the latest, has a tag, or does not exist.
    """
    number = dataset.resolve(ref, dataset.state("admin")).number

    def decide(state: State) -> Mapping[str, Any]:
        dataset.resolve(str(number), state)
        if tags := state.tags_of(number):
            raise dataset.fault(f"version {number} has the tag {tags[0]}", "untag it first")
        if number == state.latest:
            raise dataset.fault(f"version {number} is the latest", "snapshot another, or roll back, first")
        return {"action": "forget", "version": number}

    dataset.commit("admin", decide)
    return number


def forgettable(state: State, keep: int) -> list[int]:
    """Return the versions beyond the newest ones that have no tag and are not the latest."""
    old = sorted(state.versions)[:-keep]
    return [number for number in old if number != state.latest and not state.tags_of(number)]


def collect(
    dataset: DataSet,
    *,
    keep: int | None = None,
    grace: timedelta = timedelta(days=1),
    is_dry_run: bool = False,
) -> Collected:
    """Forget old versions and delete what no version needs.

    Args:
        dataset: Whose files are looked at, those of its cold tiers too.
        keep: How many of the newest versions stay, beside the latest and those with tags; None forgets none.
        grace: Files younger than this stay; at least `LEAST_GRACE`.
        is_dry_run: Tell only.

    Raises:
        DataError: The grace is too short, or a manifest is damaged: nothing is deleted then.
    """
    if grace < LEAST_GRACE:
        raise DataError(
            f"a grace of {grace} would delete the files of snapshots that are being taken",
            where=dataset.where,
            cure=f"give at least {LEAST_GRACE}",
        )
    state = dataset.state("admin")
    gone = forgettable(state, keep) if keep else []
    for number in [] if is_dry_run else gone:
        forget(dataset, str(number))
    # Read again: a snapshot committed since may need what the first state did not.
    state = dataset.state("admin")
    needed = _needed(dataset, state, set(gone) if is_dry_run else set())
    before = datetime.now(UTC) - grace
    files, num_bytes, waiting = 0, 0, 0
    for storage, names in needed:
        for file in list(storage.files("objects")):
            if file.name in names:
                continue
            if file.modified >= before or not (is_dry_run or storage.delete_older(file.name, before)):
                waiting += 1
                continue
            files, num_bytes = files + 1, num_bytes + file.num_bytes
    partial = dataset.storage.delete_partial(before, is_dry_run=is_dry_run)
    if not is_dry_run:
        _delete_notes(dataset, state)
    size = num_bytes + sum(file.num_bytes for file in partial)
    return Collected(tuple(gone), files + len(partial), size, waiting)


def _needed(dataset: DataSet, state: State, gone: set[int]) -> Sequence[tuple[Storage, set[str]]]:
    """Return each tier's storage with the names of the files that must stay there."""
    names = {name for number in state.versions.keys() - gone for name in _objects(dataset, state, number)}
    hot = {object_path(name, kind) for name, kind in names if name not in state.cold}
    tiers = {url: set[str]() for url in state.tiers}
    for name, kind in names:
        if place := state.cold.get(name):
            tiers[place.storage].add(object_path(name, kind))
    return [(dataset.storage, hot), *((open_storage(url), kept) for url, kept in tiers.items())]


def _objects(dataset: DataSet, state: State, number: int) -> list[tuple[str, str]]:
    version = state.versions[number]
    shards = dataset.manifest(version).all_shards
    return [(version.manifest, "json"), *((shard.object, "parquet") for shard in shards)]


def _delete_notes(dataset: DataSet, state: State) -> None:
    for number in state.forgotten:
        dataset.storage.delete(use_path(number))
