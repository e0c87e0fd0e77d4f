"""Leakage-safe split: rows that share a prompt or a group stay on one side, whatever their order."""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence

from luthier.core.errors import DataError
from luthier.core.hashing import fingerprint
from luthier.data.dedup import content_hash
from luthier.data.sample import Sample


def split_rows(samples: Sequence[Sample], share: float, seed: int) -> list[bool]:
    """Choose the held-out rows.

    Args:
        samples: All rows.
        share: Share to hold out, by rows; rows that belong together are at least one, never all.
        seed: Changes the choice; the order of the rows does not.

    Returns:
        For each row, whether it is held out.

    Raises:
        DataError: All rows belong together, so that no split is free of leakage.
    """
    clusters = _clusters(samples)
    if len(clusters) < 2:
        raise DataError(
            f"the {len(samples)} rows cannot be split: they share one prompt or group",
            where="data.eval.split",
            cure="hold out rows of their own with data.eval.sources",
        )
    wanted = min(max(1, round(share * len(samples))), len(samples) - 1)
    # A cluster's place in the draw follows from its content, so that new rows do not move old ones.
    drawn = sorted(clusters, key=lambda rows: _draw(seed, samples, rows))
    chosen: list[int] = []
    for rows in drawn:
        # One that is too large for what is still wanted is left out; a later, smaller one fits better.
        if len(chosen) < wanted and len(chosen) + len(rows) <= min(wanted * 1.5, len(samples) - 1):
            chosen += rows
    held_out = set(chosen or sorted(drawn, key=len)[0])
    return [row in held_out for row in range(len(samples))]


def _draw(seed: int, samples: Sequence[Sample], rows: Sequence[int]) -> str:
    return fingerprint(seed, min(content_hash(samples[row]).hex() for row in rows))


def _clusters(samples: Sequence[Sample]) -> list[list[int]]:
    """Return the rows that must stay together: connected through an equal prompt or an equal group."""
    parent = list(range(len(samples)))

    def root(row: int) -> int:
        while parent[row] != row:
            parent[row] = parent[parent[row]]
            row = parent[row]
        return row

    owner: dict[tuple[str, str], int] = {}
    for row, sample in enumerate(samples):
        keys = [("prompt", _prompt_key(sample))]
        if sample.group is not None:
            keys.append(("group", sample.group))
        for key in keys:
            parent[root(row)] = root(owner.setdefault(key, row))
    clusters: dict[int, list[int]] = {}
    for row in range(len(samples)):
        clusters.setdefault(root(row), []).append(row)
    return list(clusters.values())


def _prompt_key(sample: Sample) -> str:
    """Return the first question, or the text, folded: case, width and white space do not make a difference."""
    text = sample.text if sample.text is not None else _first_question(sample)
    return " ".join(unicodedata.normalize("NFKC", text).casefold().split())


def _first_question(sample: Sample) -> str:
    return next((message.content for message in sample.messages if message.role == "user"), "")
