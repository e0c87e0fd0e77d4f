"""Verify: read everything that a data set holds and compare it with its hashes."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from luthier.core.errors import DataError
from luthier.data.versions import columns, shards
from luthier.data.versions.dataset import DataSet
from luthier.data.versions.manifest import Shard
from luthier.data.versions.read import StoredVersion


def faults(
    dataset: DataSet,
    *,
    checks_references: bool = True,
    on_rows: Callable[[int], None] = lambda rows: None,
) -> Iterator[str]:
    """Yield a sentence for each fault of a data set; a whole one yields none.

    The log must add up, each manifest and shard have its hash, each row its digest, each version its
    identity, and each file that a row refers to its content.

    Args:
        dataset: To look at.
        checks_references: Whether the files that rows refer to are read too.
        on_rows: Called with the number of rows so far.
    """
    state = dataset.state()
    if dataset.log.state_from_entries() != state:
        yield f"{dataset.where}: the summary of the log differs from its entries"
    sound: dict[str, bool] = {}
    num_rows = 0
    for version in state.versions.values():
        try:
            reader = StoredVersion(dataset, version)
        except DataError as error:
            yield str(error)
            continue
        for shard in reader.manifest.all_shards:
            if shard.object not in sound:  # versions share shards
                fault = _fault_of(reader, shard)
                sound[shard.object] = fault is None
                num_rows += shard.rows
                on_rows(num_rows)
                if fault:
                    yield fault
        if all(sound[shard.object] for shard in reader.manifest.all_shards):
            yield from _faults_of(reader, checks_references=checks_references)


def _fault_of(reader: StoredVersion, shard: Shard) -> str | None:
    """Return what is wrong with a shard, if anything is."""
    digests = []
    try:
        for batch in reader.shard_batches(shard):
            digests += [columns.digest_of(row)[0] for row in columns.rows_of(batch)]
    except DataError as error:
        return str(error)
    if shards.content_id(digests, reader.secret) != shard.content:
        return f"{reader.where}: file {shard.object} holds other rows than were written"
    return None


def _faults_of(reader: StoredVersion, *, checks_references: bool) -> Iterator[str]:
    """Yield what is wrong with a version whose shards are whole."""
    identity = shards.VersionId(reader.secret)
    identity.rows.update(digest.tobytes() for digest in reader.digests())
    for reference in reader.references():
        identity.references.update([reference.digest])
        if checks_references and (fault := reference.fault()):
            yield f"{reader.where}: {fault}"
    if not identity.hexdigest() == reader.manifest.content == reader.version.content:
        yield f"{reader.where}: its manifest lists other rows than it was made of"
