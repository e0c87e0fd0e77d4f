"""An annotation project: a folder with guidelines, labels, rows and journals of all that is said about them."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from types import UnionType
from typing import Any

from luthier.core.errors import DataError
from luthier.core.files import atomic_folder, write_json, write_text
from luthier.core.hashing import hash_file, short
from luthier.core.wording import count_of
from luthier.data.annotation import journal
from luthier.data.annotation.corrections import CorrectionLog
from luthier.data.annotation.items import Gold, Item, Prelabel, Rating
from luthier.data.annotation.settings import FORMAT, SETTINGS_FILE, Settings, read_settings
from luthier.data.sources import SURPLUS, read_rows

GUIDELINES_FILE = "guidelines.md"
ROWS_FILE = "rows.jsonl"
RATINGS_FILE = "ratings.jsonl"
GOLD_FILE = "gold.jsonl"
PRELABELS_FILE = "prelabels.jsonl"
CORRECTIONS_FILE = "corrections.jsonl"
LOCK_FILE = ".lock"


class Project:
    """An annotation project on disk. Rows and journals are only ever added to.

    Args:
        folder: Made by `create_project`.

    Raises:
        DataError: The folder holds no project, or a file in it is damaged.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.settings = read_settings(folder)
        self.rows: dict[str, dict[str, Any]] = {}
        for number, record in journal.read(folder / ROWS_FILE):
            where = f"{folder / ROWS_FILE}, line {number}"
            if not isinstance(record.get("id"), str) or not isinstance(record.get("data"), dict):
                raise DataError("holds no row: the fields id and data were expected", where=where)
            self.rows[record["id"]] = record["data"]
        self.ratings = self._records(RATINGS_FILE)
        self.gold = {record["row"]: _gold(record) for record in self._records(GOLD_FILE)}
        self.prelabels = self._records(PRELABELS_FILE)
        self.corrections = CorrectionLog(folder / CORRECTIONS_FILE)

    @property
    def guidelines(self) -> str:
        """Short hash of the guidelines in force; each rating remembers its own."""
        path = self.folder / GUIDELINES_FILE
        return short(hash_file(path)) if path.is_file() else "none"

    @property
    def num_outdated(self) -> int:
        """Ratings that were stored under other guidelines than those in force."""
        now = self.guidelines
        return sum(record["guidelines"] != now for record in self.ratings)

    def items(self) -> Iterator[Item]:
        """Yield every row with what is known about its label; only the newest statement of a rater counts."""
        named: dict[str, dict[str, Rating]] = {}
        counts: dict[str, Mapping[str, int]] = {}
        for record in sorted(self.ratings, key=lambda record: str(record["at"])):
            row = record["row"]
            if record["rater"] is None:
                counts[row] = record["counts"] or {}
                continue
            ratings = named.setdefault(row, {})
            ratings.pop(record["rater"], None)  # the newest stands last
            ratings[record["rater"]] = Rating(
                record["rater"], record.get("label"), record["at"], record.get("seconds")
            )
        corrected = {entry.row: entry.after for entry in self.corrections.entries()}
        prelabels: dict[str, dict[str, Prelabel]] = {}
        for record in sorted(self.prelabels, key=lambda record: str(record["at"])):
            prelabel = Prelabel(record["label"], record["score"], record["model"], record["at"])
            by_model = prelabels.setdefault(record["row"], {})
            by_model.pop(prelabel.model, None)
            by_model[prelabel.model] = prelabel
        for row, data in self.rows.items():
            yield Item(
                id=row,
                data=data,
                ratings=tuple(named.get(row, {}).values()),
                counts=counts.get(row, {}),
                gold=self.gold.get(row),
                prelabels=tuple(prelabels.get(row, {}).values()),
                corrected=corrected.get(row),
                where=f"{self.folder}, row {row}",
            )

    def require_row(self, row: str) -> dict[str, Any]:
        """Return a row's data.

        Raises:
            DataError: There is no such row.
        """
        if row not in self.rows:
            near = difflib.get_close_matches(row, self.rows, n=1)
            cure = (
                f"did you mean {near[0]!r}?" if near else f"the project has {count_of(len(self.rows), 'row')}"
            )
            raise DataError(f"there is no row {row!r}", where=str(self.folder), cure=cure)
        return self.rows[row]

    def require_label(self, label: str, where: str) -> str:
        """Return the label if the project has it.

        Raises:
            DataError: It has not.
        """
        if label not in self.settings.labels:
            near = difflib.get_close_matches(label, self.settings.labels, n=1)
            known = f"labels: {', '.join(self.settings.labels[:20])}"
            cure = f"did you mean {near[0]!r}? {known}" if near else known
            raise DataError(f"{label!r} is not a label of this project", where=where, cure=cure)
        return label

    def _records(self, name: str) -> list[dict[str, Any]]:
        """Read a journal whose records all name a row of the project."""
        records = []
        for number, record in journal.read(self.folder / name):
            where = f"{self.folder / name}, line {number}"
            row = record.get("row")
            for field, types in _FIELDS[name].items():
                if field not in record:
                    raise DataError(f"the field {field!r} is missing", where=where)
                if not isinstance(record[field], types):
                    raise DataError(f"the field {field!r} holds {record[field]!r}", where=where)
            if name == RATINGS_FILE and ("counts" if record["rater"] is None else "label") not in record:
                raise DataError("neither a rater's label nor counts were found", where=where)
            if row not in self.rows:
                raise DataError(f"names row {row!r}, which {ROWS_FILE} does not hold", where=where)
            for label in [*(record.get("counts") or ()), record.get("label")]:
                if label is not None:
                    self.require_label(label, f"{where}, row {row}")
            records.append(record)
        return records


_FIELDS: dict[str, dict[str, type | UnionType]] = {
    RATINGS_FILE: {
        "row": str,
        "rater": str | None,
        "at": str,
        "guidelines": str,
    },
    GOLD_FILE: {"row": str, "label": str, "by": str | None, "at": str},
    PRELABELS_FILE: {"row": str, "label": str, "score": int | float | None, "model": str, "at": str},
}
"""Fields of the journals' records and the types of their values."""


def create_project(
    folder: Path,
    settings: Settings,
    rows: Iterable[tuple[str, Mapping[str, Any]]] = (),
    *,
    guidelines: str | None = None,
    source: Path | None = None,
) -> Project:
    """Make a project folder, whole or not at all.

    Args:
        folder: Must not exist, or be empty.
        settings: What raters are asked.
        rows: Id and data.
        guidelines: Text of guidelines.md; by default a form with every label, to be filled in.
        source: File of the rows, for messages.

    Raises:
        DataError: The folder is in use, an id comes twice, or a row has no text.
    """
    settings.check(str(folder))
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise DataError("already exists and is not empty", where=str(folder), cure="name a new folder")
    with atomic_folder(folder) as scratch:
        write_json(scratch / SETTINGS_FILE, {"format": FORMAT, **asdict(settings)})
        write_text(scratch / GUIDELINES_FILE, guidelines or _empty_guidelines(settings.labels))
        seen: set[str] = set()

        def checked() -> Iterator[dict[str, Any]]:
            for row, data in rows:
                where = f"{source}, row {row}" if source else f"row {row}"
                check_row(row, data, settings.text_field, where)
                if row in seen:
                    raise DataError(f"the id {row!r} comes twice", where=where, cure="name unique ids")
                seen.add(row)
                yield {"id": row, "data": dict(data)}

        journal.append(scratch / ROWS_FILE, checked())
    return Project(folder)


def rows_of_file(path: Path, id_field: str | None = None) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield id and data of a file's rows.

    Args:
        path: The file.
        id_field: Field of the id, which is taken out of the data.  [default: ``id``, or the row's number]

    Raises:
        DataError: The file cannot be read, or a row has no fields or no such id.
    """
    for number, row in read_rows(path):
        where = f"{path}, row {number}"
        if not isinstance(row, dict):
            raise DataError(f"holds {type(row).__name__}, no object", where=where)
        if SURPLUS in row:
            raise DataError("has more fields than the header", where=where, cure="check its quotes")
        field = id_field or ("id" if row.get("id") not in (None, "") else None)
        if field and row.get(field) in (None, ""):
            raise DataError(f"has no id in the field {field!r}", where=where)
        yield str(row[field] if field else number), {name: v for name, v in row.items() if name != field}


def check_row(row: str, data: Mapping[str, Any], text_field: str, where: str) -> None:
    """Refuse a row that nobody can read.

    Raises:
        DataError: It has no id or no text.
    """
    if not row:
        raise DataError("the id is empty", where=where)
    text = data.get(text_field)
    if not isinstance(text, str) or not text.strip():
        got = "is missing" if text_field not in data else f"holds {text!r}, no text"
        cure = f"name the field that raters read; the row has: {', '.join(map(str, data)) or 'no field'}"
        raise DataError(f"field {text_field!r} {got}", where=where, cure=cure)


def _gold(record: Mapping[str, Any]) -> Gold:
    return Gold(record["label"], record.get("by"), record["at"])


def _empty_guidelines(labels: Sequence[str]) -> str:
    parts = "\n".join(
        f"## {label}\n\nChoose it when …\n\nDo not choose it when …\n\nExamples:\n\n- …\n" for label in labels
    )
    return f"# Guidelines\n\nWhat is asked, and why.\n\nWhen in doubt: …\n\n{parts}"
