"""Hot and cold tiers: the files of versions that nobody reads are moved to cheaper storage, where they stay readable.

A version is cold when it is neither the latest nor tagged, and was not read (`StoredVersion` notes the day
of each use) nor made within some number of days. A file moves when every version that needs it is cold.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

from luthier.data.versions.dataset import DataSet, object_path
from luthier.data.versions.read import last_use
from luthier.data.versions.state import State, Version
from luthier.data.versions.storage import URL_MARK, Storage, open_storage


@dataclass(frozen=True)
class Moved:
    """What went from one tier to the other.

    Args:
        versions: That are cold, or were warmed.
        files: Moved, or to be moved.
        num_bytes: Their size.
    """

    versions: tuple[int, ...]
    files: int
    num_bytes: int


def cold_versions(dataset: DataSet, state: State, unused: timedelta) -> list[int]:
    """Return the versions that were not used for a time.

    Args:
        dataset: That they belong to.
        state: Of it.
        unused: How long; the day of use is known, not the hour.
    """
    limit = (datetime.now(UTC) - unused).date()
    return [
        number
        for number, version in state.versions.items()
        if number != state.latest and not state.tags_of(number) and _last_day(dataset, version) <= limit
    ]


def cool(dataset: DataSet, to: str, *, unused: timedelta, is_dry_run: bool = False) -> Moved:
    """Move the files that only cold versions need to the cold tier.

    Args:
        dataset: Whose files are moved.
        to: URL or absolute folder of the cold tier.
        unused: See `cold_versions`.
        is_dry_run: Tell only.

    Raises:
        DataError: The tier cannot be one, or a file is damaged.
    """
    if URL_MARK not in to and not Path(to).is_absolute():
        raise dataset.fault(f"the cold tier {to} is a relative path", "name a URL or an absolute folder")
    began = datetime.now(UTC)
    state = dataset.state("admin")
    cold = cold_versions(dataset, state, unused)
    hot = {name for number in state.versions.keys() - set(cold) for name in _files(dataset, state, number)}
    wanted = {
        name: size
        for number in cold
        for name, size in _files(dataset, state, number).items()
        if name not in hot and name not in state.cold
    }
    if not is_dry_run and wanted:
        # A folder of its own: two stores with a data set of one name may share the tier.
        url = f"{to.rstrip('/')}/{dataset.name}-{dataset.log.entry(1)['id'][:8]}"
        tier = open_storage(url)
        for name in wanted:
            _copy(dataset, name, tier)
        dataset.commit("admin", lambda now: {"action": "cool", "storage": url, "objects": list(wanted)})
        for name in wanted:
            # What was written since then another process needs: it warms the version, or takes a snapshot.
            dataset.storage.delete_older(object_path(name, "parquet"), began)
    return Moved(tuple(cold), len(wanted), sum(wanted.values()))


def warm(dataset: DataSet, ref: str | None = None) -> Moved:
    """Bring the files of a version back from the cold tier.

    Args:
        dataset: That it belongs to.
        ref: Which version; see `DataSet.resolve`.

    Raises:
        DataError: A file is gone or damaged.
    """
    state = dataset.state("admin")
    number = dataset.resolve(ref, state).number
    wanted = {name: size for name, size in _files(dataset, state, number).items() if name in state.cold}
    for name in wanted:
        _copy(dataset, name, dataset.storage)
    if wanted:
        # The copies in the cold tier are garbage from now on.
        dataset.commit("admin", lambda now: {"action": "warm", "objects": list(wanted)})
    return Moved((number,), len(wanted), sum(wanted.values()))


def _copy(dataset: DataSet, name: str, target: Storage) -> None:
    target.write(object_path(name, "parquet"), dataset.read_object(name, "parquet", dataset.where))


def _files(dataset: DataSet, state: State, number: int) -> dict[str, int]:
    """Return size by hash of a version's shards; its manifest stays hot."""
    return {shard.object: shard.num_bytes for shard in dataset.manifest(state.versions[number]).all_shards}


def _last_day(dataset: DataSet, version: Version) -> date:
    made = datetime.fromisoformat(version.time).date()
    used = last_use(dataset, version.number)
    return max(made, date.fromisoformat(used)) if used else made
