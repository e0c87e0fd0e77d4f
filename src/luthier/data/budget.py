"""The label budget: what is kept, cut and left out, and how many tokens carry loss, before any training."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from luthier.core.errors import DataError
from luthier.core.wording import count_of
from luthier.data.example import Example, Rejection

_LISTED_ROWS = 20


@dataclass
class SplitBudget:
    """Counts of one split, gathered row by row."""

    rows: int = 0
    examples: int = 0
    tokens: int = 0
    supervised_tokens: int = 0
    longest_tokens: int = 0
    truncated_tokens: int = 0
    truncated: list[str] = field(default_factory=list)
    lost_end: list[str] = field(default_factory=list)
    escaped: list[str] = field(default_factory=list)
    tools_as_text: list[str] = field(default_factory=list)
    lightest: float = 1.0
    heaviest: float = 1.0

    def add(self, examples: Sequence[Example]) -> None:
        """Count the examples of one row."""
        self.rows += 1
        self.add_rest(examples)

    def add_rest(self, examples: Sequence[Example]) -> None:
        """Count examples of rows that are counted already."""
        for example in examples:
            self.lightest = min(self.lightest, example.weight)
            self.heaviest = max(self.heaviest, example.weight)
            self.examples += 1
            self.tokens += len(example.input_ids)
            self.supervised_tokens += example.num_supervised
            self.longest_tokens = max(self.longest_tokens, len(example.input_ids))
            self.truncated_tokens += example.num_truncated
            for is_so, places in (
                (example.num_truncated, self.truncated),
                (example.lost_end, self.lost_end),
                (example.num_escaped, self.escaped),
                (example.tools_as_text, self.tools_as_text),
            ):
                if is_so:
                    places.append(example.place)

    def as_json(self) -> dict[str, Any]:
        """Return the split's part of ``label_budget.json``."""
        return {
            "rows": self.rows,
            "examples": self.examples,
            "tokens": self.tokens,
            "supervised_tokens": self.supervised_tokens,
            "longest_example_tokens": self.longest_tokens,
            "weights": [self.lightest, self.heaviest],
            "truncated_tokens": self.truncated_tokens,
            "truncated": _counted(self.truncated),
            "answers_without_end_token": _counted(self.lost_end),
            "special_token_text": _counted(self.escaped),
            "tools_as_text": _counted(self.tools_as_text),
        }


def _counted(places: Sequence[str]) -> dict[str, Any]:
    return {"rows": len(places), "first": list(places[:_LISTED_ROWS])}


def label_budget(splits: dict[str, SplitBudget], rejections: Sequence[Rejection]) -> dict[str, Any]:
    """Return the content of ``label_budget.json``."""
    left_out: dict[str, list[Rejection]] = {}
    for rejection in rejections:
        left_out.setdefault(rejection.reason, []).append(rejection)
    return {
        "splits": {name: budget.as_json() for name, budget in splits.items()},
        "left_out": {
            reason: {"detail": rows[0].detail, **_counted([row.place for row in rows])}
            for reason, rows in sorted(left_out.items(), key=lambda entry: -len(entry[1]))
        },
    }


def notices(splits: dict[str, SplitBudget], rejections: Sequence[Rejection]) -> tuple[str, ...]:
    """Return the sentences that a user should read before training."""
    sentences = []
    if rejections:
        counted = ", ".join(f"{n} {reason}" for reason, n in Counter(r.reason for r in rejections).items())
        sentences.append(
            f"{count_of(len(rejections), 'row')} left out: {counted} (each with its reason in rejected.jsonl)"
        )
    lightest = min(budget.lightest for budget in splits.values())
    heaviest = max(budget.heaviest for budget in splits.values())
    if lightest != heaviest:
        sentences.append(
            f"rows weigh from {lightest:g} to {heaviest:g} in the training loss; the held-out loss counts them alike"
        )
    truncated = sum(len(budget.truncated) for budget in splits.values())
    lost = [place for budget in splits.values() for place in budget.lost_end]
    escaped = [place for budget in splits.values() for place in budget.escaped]
    if truncated:
        sentences.append(f"{count_of(truncated, 'row')} cut to data.max_length")
    if lost:
        sentences.append(
            f"{count_of(len(lost), 'answer')} over data.max_length lost the end token, e.g. {lost[0]}: "
            "the model learns to run on there"
        )
    if escaped:
        sentences.append(
            f"the characters of a special token stand in {count_of(len(escaped), 'row')}, e.g. {escaped[0]}: "
            "they are trained as plain characters"
        )
    if tools := [place for budget in splits.values() for place in budget.tools_as_text]:
        sentences.append(
            f"the chat template knows no tools, and tools stand in {count_of(len(tools), 'row')}, e.g. {tools[0]}: "
            "their turns are written as <tool_call> text, in serving too"
        )
    return tuple(sentences)


def check_rows_left(
    num_read: int,
    num_kept: int,
    faulty: Sequence[Rejection],
    where: str,
    *,
    others: Sequence[Rejection] | None = None,
) -> None:
    """Refuse data of which nothing, or less than half, can be used.

    Args:
        num_read: Rows in the files.
        num_kept: Rows that can be used.
        faulty: Rows that could not be read or encoded.
        where: The files.
        others: Before rows are encoded: all that are left out, also those on purpose, e.g. duplicates, which do not
            count against the data.

    Raises:
        DataError: With the most frequent reasons and a row of each.
    """
    if num_kept and len(faulty) * 2 <= num_read:
        return
    counted = faulty or others or ()
    reasons = Counter(r.reason for r in counted).most_common(3)
    examples = [next(r for r in counted if r.reason == reason) for reason, _ in reasons]
    listed = "\n".join(
        f"    {count} × {reason}, e.g. {example.place}: {example.detail}"
        for (reason, count), example in zip(reasons, examples, strict=True)
    )
    nothing = "is left" if others is not None else "has a token that carries loss"
    what = (
        f"{len(faulty)} of {num_read} rows cannot be used"
        if num_kept
        else f"none of {num_read} rows {nothing}"
    )
    raise DataError(f"{what}:\n{listed}", where=where, cure="`luthier data inspect FILE` shows the rows")
