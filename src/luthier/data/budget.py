"""The label budget: what is kept, cut and left out, and how many tokens carry loss, before any training."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

from luthier.core.errors import DataError
from luthier.data.example import Example, Rejection

_LISTED_ROWS = 20


def label_budget(examples: dict[str, list[Example]], rejections: Sequence[Rejection]) -> dict[str, Any]:
    """Return the content of ``label_budget.json``.

    Args:
        examples: Encoded rows by split.
        rejections: Rows that were left out.
    """
    return {
        "splits": {name: _split_budget(rows) for name, rows in examples.items()},
        "left_out": {
            reason: {
                "rows": count,
                "example": next(r.detail for r in rejections if r.reason == reason),
                "places": [f"{r.source}, row {r.row}" for r in rejections if r.reason == reason][
                    :_LISTED_ROWS
                ],
            }
            for reason, count in Counter(r.reason for r in rejections).most_common()
        },
    }


def _split_budget(rows: Sequence[Example]) -> dict[str, Any]:
    cut = [row for row in rows if row.num_truncated]
    lost = [row for row in rows if row.lost_end]
    return {
        "rows": len(rows),
        "tokens": sum(len(row.input_ids) for row in rows),
        "supervised_tokens": sum(row.num_supervised for row in rows),
        "longest_row_tokens": max((len(row.input_ids) for row in rows), default=0),
        "truncated_rows": len(cut),
        "truncated_tokens": sum(row.num_truncated for row in cut),
        "truncated_places": [row.place for row in cut[:_LISTED_ROWS]],
        "answers_without_end_token": len(lost),
        "answers_without_end_token_places": [row.place for row in lost[:_LISTED_ROWS]],
    }


def check_rows_left(num_read: int, num_kept: int, rejections: Sequence[Rejection], where: str) -> None:
    """Refuse data of which nothing, or less than half, can be used.

    Duplicates do not count against the data: they are dropped on purpose.

    Raises:
        DataError: With the most frequent reasons and a row of each.
    """
    faulty = [r for r in rejections if r.reason not in ("duplicate", "in_evaluation_set")]
    if num_kept and len(faulty) * 2 <= num_read:
        return
    reasons = Counter(r.reason for r in faulty).most_common(3)
    examples = [next(r for r in faulty if r.reason == reason) for reason, _ in reasons]
    listed = "\n".join(
        f"    {count} × {reason}, e.g. row {example.row}: {example.detail}"
        for (reason, count), example in zip(reasons, examples, strict=True)
    )
    what = (
        "no row has a token that carries loss"
        if not num_kept
        else f"{len(faulty)} of {num_read} rows cannot be used"
    )
    raise DataError(f"{what}:\n{listed}", where=where, cure="`luthier data inspect FILE` shows the rows")
