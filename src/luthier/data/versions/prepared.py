"""Prepared rows of a run become a version, with the lineage of their sources."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from luthier.data.versions.address import resolved_store
from luthier.data.versions.origin import made_from, with_parents
from luthier.data.versions.references import ReferenceReader
from luthier.data.versions.snapshot import Snapshot, Taken
from luthier.data.versions.store import Store
from luthier.data.versions.writer import SourceFile
from luthier.recipe.data_sections.versions import SnapshotSection


def store_prepared(
    section: SnapshotSection,
    rows: Iterable[Any],
    *,
    recipe_folder: Path,
    sources: Sequence[Path],
    steps: Sequence[Mapping[str, Any]] = (),
    counts: Callable[[], Mapping[str, Any]] | None = None,
    on_rows: Callable[[int], None] = lambda rows: None,
) -> Taken:
    """Store rows as a version, as the recipe's `data.snapshot` says.

    Args:
        section: Of the recipe.
        rows: The rows that are kept, as objects of JSON; consumed once, with bounded memory.
        recipe_folder: Relative paths start here.
        sources: Files and addresses that the rows were made from.
        steps: What was done to them: each operator's name with its options.
        counts: Tells the counts of rows, once all are consumed; see `Tally.as_json`.
        on_rows: Called with the number of rows so far.

    Returns:
        The version, and whether it is new.

    Raises:
        DataError: A row cannot be stored, a key or a right is missing.
    """
    store = Store(resolved_store(section.store, recipe_folder))
    dataset = store.make_dataset(section.dataset)
    origin = with_parents(made_from(sources, steps=steps), store)
    file = SourceFile(recipe_folder / section.dataset, enumerate(rows, start=1), origin, counts)
    snapshot = Snapshot(
        message=section.message,
        tag=section.tag,
        moves_tag=True,
        is_encrypted=section.encrypt,
        references=ReferenceReader(section.reference_fields),
        on_rows=on_rows,
    )
    return snapshot.take(dataset, [file])
