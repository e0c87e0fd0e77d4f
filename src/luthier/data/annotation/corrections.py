"""The log of corrections: only ever added to, and chained by hashes, so that a change of the past shows."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

from luthier.core.errors import DataError
from luthier.core.hashing import fingerprint
from luthier.data.annotation import journal
from luthier.data.annotation.items import now

_BEGINNING = "0" * 64


@dataclass(frozen=True)
class Correction:
    """What is wrong and what is right.

    Args:
        row: Id, or number from 1 in a file.
        before: The label that was wrong; None where the row had none.
        after: The right label.
        reason: For those who ask later.
        by: Who says so.
    """

    row: str
    before: str | None
    after: str
    reason: str
    by: str


@dataclass(frozen=True)
class Entry(Correction):
    """A correction in the log.

    Args:
        number: From 1.
        at: When, in UTC.
        previous: Hash of the entry before; zeros for the first.
        hash: Of all the fields above: it seals this entry and, through ``previous``, all before it.
    """

    number: int
    at: str
    previous: str
    hash: str


class CorrectionLog:
    """Entries in a file, one JSON line each.

    Every reading checks the whole chain. Whoever can write the file can also make a new chain, or cut entries off
    its end: keep the newest hash (`head`) in another place, and `verify` finds that too.

    Args:
        path: The file; it need not exist.
    """

    def __init__(self, path: Path) -> None:
        self.path = path

    def entries(self) -> Iterator[Entry]:
        """Yield the entries, oldest first.

        Raises:
            DataError: An entry was changed, removed, inserted or moved; its line is named.
        """
        previous = _BEGINNING
        for number, record in journal.read(self.path):
            where = f"{self.path}, line {number}"
            if wrong := set(record) ^ set(Entry.__dataclass_fields__):
                raise DataError(f"the field {sorted(wrong)[0]!r} is missing or not known", where=where)
            entry = Entry(**record)
            if (entry.number, entry.previous) != (number, previous):
                raise DataError("an entry was removed, inserted or moved before this one", where=where)
            if entry.hash != _seal(entry):
                raise DataError("was changed after it was written: its hash differs", where=where)
            previous = entry.hash
            yield entry

    @property
    def head(self) -> str:
        """Hash of the newest entry; zeros for an empty log."""
        head = _BEGINNING
        for entry in self.entries():
            head = entry.hash
        return head

    def verify(self, head: str | None = None) -> int:
        """Check the chain and return the number of entries.

        Args:
            head: Hash that was the newest once, or its beginning; it must still be there.

        Raises:
            DataError: The chain is broken, or the entry with that hash is gone.
        """
        hashes = [entry.hash for entry in self.entries()]
        if head is not None and not any(entry.startswith(head) for entry in hashes):
            problem = f"holds no entry with the hash {head}: entries were cut off, or the whole log was written anew"
            raise DataError(problem, where=str(self.path), cure="compare with a copy of the log")
        return len(hashes)

    def append(self, corrections: Iterable[Correction]) -> list[Entry]:
        """Add corrections and return them as they stand in the log.

        Raises:
            DataError: The log is damaged, or a correction names nobody or changes nothing.
        """
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with journal.locked(self.path):
            known = list(self.entries())
            added: list[Entry] = []
            for correction in corrections:
                _check(correction)
                previous = (added or known)[-1].hash if added or known else _BEGINNING
                number = len(known) + len(added) + 1
                entry = Entry(**asdict(correction), number=number, at=now(), previous=previous, hash="")
                added.append(Entry(**{**asdict(entry), "hash": _seal(entry)}))
            journal.append(self.path, map(asdict, added))
        return added


def _check(correction: Correction) -> None:
    where = f"row {correction.row}"
    if not correction.by.strip():
        raise DataError("nobody vouches for the correction", where=where, cure="name a person")
    if correction.before == correction.after:
        raise DataError(f"the label is {correction.after!r} already", where=where)


def _seal(entry: Entry) -> str:
    return fingerprint({name: value for name, value in asdict(entry).items() if name != "hash"})
