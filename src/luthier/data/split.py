"""Leakage-safe splits: rows that share a prompt or a group, or are duplicates, stay together, whatever their order."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Sequence
from typing import NamedTuple

import xxhash

from luthier.core.errors import DataError
from luthier.core.hashing import fingerprint
from luthier.core.wording import count_of
from luthier.data.duplicates.exact import content_hash
from luthier.data.duplicates.links import Components
from luthier.data.sample import Sample


class RowKey(NamedTuple):
    """What a split needs to know of a row, a few bytes.

    Args:
        shared: Hashes of what it shares with rows that must stay on its side.
        content: Hash of all it says: its place in the draw.
    """

    shared: tuple[bytes, ...]
    content: bytes


def key_of(sample: Sample) -> RowKey:
    """Return the key of a sample: its prompt, and its group where it has one."""
    shared = [_hash("prompt", _prompt(sample))]
    if sample.group is not None:
        shared.append(_hash("group", sample.group))
    return RowKey(tuple(shared), content_hash(sample))


def key_of_label(label: int) -> bytes:
    """Return what the rows of one group of duplicates share; labels are those of `group_labels`."""
    return _hash("duplicates", str(label))


def split_rows(
    samples: Sequence[Sample], share: float, seed: int, *, together: Sequence[int] | None = None
) -> list[bool]:
    """Choose the held-out rows.

    Args:
        samples: All rows.
        share: Share to hold out, by rows; rows that belong together are at least one, never all.
        seed: Changes the choice; the order of the rows does not.
        together: A label for each row; rows of one label stay on one side. See `group_labels`.

    Returns:
        For each row, whether it is held out.

    Raises:
        DataError: All rows belong together, so that no split is free of leakage.
    """
    return split_keys(_keys(samples, together), share, seed)


def fold_rows(
    samples: Sequence[Sample], folds: int, seed: int, *, together: Sequence[int] | None = None
) -> list[int]:
    """Divide the rows into folds of nearly equal size, for cross-validation; see `split_rows`.

    Returns:
        For each row the number of its fold, from 1.

    Raises:
        DataError: There are fewer rows that may be parted than folds.
    """
    return fold_keys(_keys(samples, together), folds, seed)


def split_keys(keys: Sequence[RowKey], share: float, seed: int) -> list[bool]:
    """Choose the held-out rows by their keys; see `split_rows`."""
    drawn = _drawn(keys, seed)
    if len(drawn) < 2:
        raise DataError(
            f"{count_of(len(keys), 'row')} cannot be split: they share one prompt or group",
            where="data.eval.split",
            cure="hold out rows of their own with data.eval.sources",
        )
    wanted = min(max(1, round(share * len(keys))), len(keys) - 1)
    chosen: list[int] = []
    for rows in drawn:
        # One that is too large for what is still wanted is left out; a later, smaller one fits better.
        if len(chosen) < wanted and len(chosen) + len(rows) <= min(wanted * 1.5, len(keys) - 1):
            chosen += rows
    held_out = set(chosen or sorted(drawn, key=len)[0])
    return [row in held_out for row in range(len(keys))]


def fold_keys(keys: Sequence[RowKey], folds: int, seed: int) -> list[int]:
    """Divide rows into folds by their keys; see `fold_rows`."""
    drawn = _drawn(keys, seed)
    if len(drawn) < folds:
        raise DataError(
            f"{count_of(len(keys), 'row')} cannot be divided into {folds} folds: "
            f"by their prompts and groups they are only {len(drawn)} that may be parted",
            cure=f"ask for at most {len(drawn)} folds" if len(drawn) > 1 else "hold out rows of their own",
        )
    sizes = [0] * folds
    result = [0] * len(keys)
    # The large ones first, each into the emptiest fold: the folds end up nearly equal.
    for rows in sorted(drawn, key=len, reverse=True):
        fold = sizes.index(min(sizes))
        sizes[fold] += len(rows)
        for row in rows:
            result[row] = fold + 1
    return result


def connected(keys: Sequence[RowKey]) -> list[int]:
    """Return for each row the number of the first row that it must stay with."""
    components = Components(len(keys))
    owner: dict[bytes, int] = {}
    for row, key in enumerate(keys):
        for shared in key.shared:
            components.connect_rows(row, owner.setdefault(shared, row))
    return [int(label) for label in components.labels]


def _keys(samples: Iterable[Sample], together: Sequence[int] | None) -> list[RowKey]:
    keys = [key_of(sample) for sample in samples]
    if together is None:
        return keys
    return [
        key._replace(shared=(*key.shared, key_of_label(label)))
        for key, label in zip(keys, together, strict=True)
    ]


def _drawn(keys: Sequence[RowKey], seed: int) -> list[list[int]]:
    """Return the rows that must stay together, in an order that follows from their content and the seed.

    A cluster's place in the draw follows from its content, so that new rows do not move old ones.
    """
    clusters: dict[int, list[int]] = {}
    for row, label in enumerate(connected(keys)):
        clusters.setdefault(label, []).append(row)
    return sorted(
        clusters.values(), key=lambda rows: fingerprint(seed, min(keys[row].content.hex() for row in rows))
    )


def _hash(kind: str, value: str) -> bytes:
    return xxhash.xxh3_128_digest(f"{kind}\0{value}".encode("utf-8", "surrogatepass"))


def _prompt(sample: Sample) -> str:
    """Return what is asked, folded: case, width and white space do not make a difference.

    The questions about one context stay together, since it holds the answers of all of them.
    """
    parts = {
        "conversation": [_first_question(sample)],
        "question_answering": [sample.context or ""],
        "token_classification": list(sample.tokens),
    }.get(sample.kind, [sample.text or "", sample.text_pair or ""])
    return " ".join(unicodedata.normalize("NFKC", " ".join(parts)).casefold().split())


def _first_question(sample: Sample) -> str:
    return next((message.content for message in sample.messages if message.role == "user"), "")
