"""Take rated rows into a project: all of them or, with every fault named, none; taking them twice changes nothing."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from luthier.core.errors import DataError
from luthier.data.annotation import journal
from luthier.data.annotation.items import Item, now
from luthier.data.annotation.project import (
    GOLD_FILE,
    LOCK_FILE,
    PRELABELS_FILE,
    RATINGS_FILE,
    ROWS_FILE,
    Project,
    check_row,
)

_SHOWN_FAULTS = 5
Record = dict[str, Any]


def take_in(folder: Path, items: Iterable[Item], *, source: str, adds_rows: bool = False) -> dict[str, int]:
    """Add what is new in ``items`` and return how much of each kind was new, changed or known.

    A rating supersedes an older one of the same rater and row; both stay in the journal.

    Args:
        folder: Of the project; it is locked meanwhile.
        items: From a reader of another tool's files.
        source: File they come from; each rating remembers it.
        adds_rows: Rows that the project lacks are added; otherwise they are faults.

    Raises:
        DataError: Labels, rows or texts do not fit the project. Nothing was stored.
    """
    Project(folder)  # a folder that is none must not get a lock file
    with journal.locked(folder / LOCK_FILE):
        project = Project(folder)
        tally = Counter[str]()
        faults: list[DataError] = []
        new: dict[str, list[Record]] = {ROWS_FILE: [], RATINGS_FILE: [], GOLD_FILE: [], PRELABELS_FILE: []}
        known = {item.id: item for item in project.items()}
        time, guidelines = now(), project.guidelines
        seen: set[str] = set()
        for item in items:
            try:
                if item.id in seen:
                    raise DataError(f"row {item.id!r} comes twice", where=item.where)
                seen.add(item.id)
                _check(project, item, adds_rows=adds_rows)
            except DataError as error:
                faults.append(error)
                continue
            if item.id not in known:
                tally["rows added"] += 1
                new[ROWS_FILE].append({"id": item.id, "data": dict(item.data)})
            before = known.setdefault(item.id, Item(item.id, item.data))
            stamp = {"row": item.id, "source": source, "guidelines": guidelines}
            new[RATINGS_FILE] += _ratings(item, before, stamp, time, tally)
            new[GOLD_FILE] += _gold(item, before, time, tally)
            new[PRELABELS_FILE] += _prelabels(item, before, time, tally)
        _raise(faults)
        for name, records in new.items():
            journal.append(folder / name, records)
    return dict(tally)


def _check(project: Project, item: Item, *, adds_rows: bool) -> None:
    settings = project.settings
    where = item.where or f"row {item.id}"
    if item.id in project.rows:
        _check_text(project, item, where)
    elif adds_rows:
        check_row(item.id, item.data, settings.text_field, where)
    else:
        cure = "`--add-rows` adds it; check that the file belongs to this project"
        raise DataError(f"the project has no row {item.id!r}", where=where, cure=cure)
    for rating in item.ratings:
        if rating.label is not None:
            project.require_label(rating.label, f"{where}, rater {rating.rater}, field {settings.question}")
    for label, count in item.counts.items():
        project.require_label(label, f"{where}, counts")
        if count < 0:
            raise DataError(f"count {count} of {label!r} is below zero", where=where)
    for prelabel in item.prelabels:
        project.require_label(prelabel.label, f"{where}, model {prelabel.model}")
    if item.gold:
        project.require_label(item.gold.label, f"{where}, gold")


def _check_text(project: Project, item: Item, where: str) -> None:
    """Refuse a row whose text is not the project's: the file belongs to other rows with the same ids."""
    field = project.settings.text_field
    mine, theirs = project.rows[item.id].get(field), item.data.get(field)
    if theirs is None or str(theirs).split() == str(mine).split():
        return
    problem = f"field {field!r} holds {str(theirs)[:60]!r}, the project's row {item.id!r} {str(mine)[:60]!r}"
    raise DataError(problem, where=where, cure="check that the file belongs to this project")


def _ratings(item: Item, before: Item, stamp: Record, time: str, tally: Counter[str]) -> Iterator[Record]:
    current = {rating.rater: rating for rating in before.ratings}
    for rating in item.ratings:
        old = current.get(rating.rater)
        if old and old.label == rating.label and rating.at in (None, old.at):
            tally["ratings known"] += 1
            continue
        if old and rating.at and old.at and rating.at < old.at:
            tally["ratings older than the known one"] += 1
            continue
        kind = "added" if old is None else "confirmed" if old.label == rating.label else "changed"
        tally[f"ratings {kind}"] += 1
        current[rating.rater] = rating
        seconds = {} if rating.seconds is None else {"seconds": rating.seconds}
        yield {**stamp, "rater": rating.rater, "label": rating.label, "at": rating.at or time, **seconds}
    counts = {label: count for label, count in item.counts.items() if count}
    if not counts:
        return
    if counts == dict(before.counts):
        tally["counts known"] += 1
        return
    tally["counts changed" if before.counts else "counts added"] += 1
    yield {**stamp, "rater": None, "counts": counts, "at": time}


def _gold(item: Item, before: Item, time: str, tally: Counter[str]) -> Iterator[Record]:
    gold = item.gold
    if gold is None:
        return
    if before.gold and before.gold.label == gold.label:
        tally["gold known"] += 1
        return
    tally["gold changed" if before.gold else "gold added"] += 1
    yield {"row": item.id, "label": gold.label, "by": gold.by, "at": gold.at or time}


def _prelabels(item: Item, before: Item, time: str, tally: Counter[str]) -> Iterator[Record]:
    current = {prelabel.model: prelabel for prelabel in before.prelabels}
    for prelabel in item.prelabels:
        old = current.get(prelabel.model)
        if old and (old.label, old.score) == (prelabel.label, prelabel.score):
            tally["pre-labels known"] += 1
            continue
        tally["pre-labels changed" if old else "pre-labels added"] += 1
        yield {
            "row": item.id,
            "label": prelabel.label,
            "score": prelabel.score,
            "model": prelabel.model,
            "at": prelabel.at or time,
        }


def _raise(faults: list[DataError]) -> None:
    if not faults:
        return
    shown = "\n".join(f"  {fault.where}: {fault.problem}" for fault in faults[:_SHOWN_FAULTS])
    more = f"\n  … and {len(faults) - _SHOWN_FAULTS:,} more" if len(faults) > _SHOWN_FAULTS else ""
    count = "1 row does" if len(faults) == 1 else f"{len(faults):,} rows do"
    raise DataError(f"{count} not fit the project; nothing was stored:\n{shown}{more}", cure=faults[0].cure)
