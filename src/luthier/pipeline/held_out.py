"""Held-out rows from files, encoded as an objective reads them, with every row that was left out, cut or divided."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from luthier.core.errors import DataError
from luthier.core.hashing import fingerprint
from luthier.core.wording import count_of
from luthier.data.budget import SplitBudget
from luthier.data.example import Example, Rejection
from luthier.data.full_blocks import FillingEncoder
from luthier.data.read import read_source
from luthier.data.sample import Sample
from luthier.evaluate.examination import HeldOut
from luthier.objectives.contract import Objective
from luthier.recipe.source_section import Source

_NAMED_ROWS = 5


@dataclass(frozen=True)
class ReadRows:
    """Rows of files.

    Args:
        held_out: Those that can be judged.
        rejections: Those that cannot.
        content: Hash of the encoded rows, and of what they share.
        budget: Their tokens, and which of them are cut.
        blocks: Of each raw text that is longer than a block, by its place.
    """

    held_out: HeldOut
    rejections: Sequence[Rejection]
    content: str
    budget: SplitBudget
    blocks: Mapping[str, int]

    def told(self) -> dict[str, Any]:
        """Return what the report says of the rows."""
        left_out: dict[str, dict[str, Any]] = {}
        for rejection in self.rejections:
            group = left_out.setdefault(
                rejection.reason, {"rows": 0, "first": [], "detail": rejection.detail}
            )
            group["rows"] += 1
            if len(group["first"]) < _NAMED_ROWS:
                group["first"].append(rejection.place)
        splits = {"eval": self.budget.as_json()}
        return {"eval_examples": len(self.held_out.rows), "splits": splits, "left_out": left_out}

    def warning(self) -> str:
        """Return what a person must know of the rows that are left out, cut or divided; empty if none is."""
        return "; ".join(self._warnings())

    def _warnings(self) -> Iterator[str]:
        if self.rejections:
            first = self.rejections[0]
            number = count_of(len(self.rejections), "held-out row")
            yield f"{number} cannot be judged and count for nothing, e.g. {first.place}: {first.detail}"
        if cut := self.budget.truncated:
            many, lost = len(cut) > 1, count_of(self.budget.truncated_tokens, "token")
            yield (
                f"{count_of(len(cut), 'held-out row')} {'are' if many else 'is'} longer than data.max_length, e.g. "
                f"{cut[0]}: {'their' if many else 'its'} last {lost} are not judged"
            )
        if self.blocks:
            many, total = len(self.blocks) > 1, sum(self.blocks.values())
            yield (
                f"{count_of(len(self.blocks), 'held-out text')} {'are' if many else 'is'} longer than data.max_length, "
                f"e.g. {next(iter(self.blocks))}: {'they are' if many else 'it is'} judged in {total} blocks, none of "
                "which sees the one before"
            )


def read_rows(
    sources: Sequence[Source], folder: Path, *, group_by: str | None = None
) -> list[Sample | Rejection]:
    """Return the rows of files as samples.

    Args:
        sources: Of the recipe.
        folder: Relative paths start here.
        group_by: Field of rows that share a source.

    Raises:
        DataError: A file cannot be read.
    """
    return [entry for source in sources for entry in read_source(source, folder, group_by=group_by)]


def encode_rows(entries: Sequence[Sample | Rejection], objective: Objective, what: str) -> ReadRows:
    """Encode rows; each sample stands once, however many examples it became.

    Args:
        entries: From `read_rows`.
        objective: Its encoder knows the classes already.
        what: ``eval`` or ``train``, for messages.

    Raises:
        DataError: No row can be used.
    """
    encoder = objective.encoder
    if isinstance(encoder, FillingEncoder):
        encoder = encoder.by_row
    rows: list[Example] = []
    samples: list[Sample] = []
    rejections: list[Rejection] = []
    budget, blocks = SplitBudget(), dict[str, int]()
    for entry in entries:
        result = entry if isinstance(entry, Rejection) else encoder(entry)
        if isinstance(result, Rejection):
            rejections.append(result)
            continue
        assert isinstance(entry, Sample)
        rows += result
        samples.append(entry)
        budget.add(result)
        if entry.kind == "text" and len(result) > 1:
            blocks[entry.place] = len(result)
    if not rows:
        detail = f": {rejections[0].place}: {rejections[0].detail}" if rejections else ""
        raise DataError(
            f"none of {count_of(len(entries), 'row')} can be judged{detail}",
            where=f"data.{what}",
            cure="`luthier data inspect FILE` shows how the rows are read; `columns` names fields of other names",
        )
    encoded = [[row.input_ids.tolist(), row.labels.tolist()] for row in rows]
    content = fingerprint([encoded, [sample.group for sample in samples]])
    return ReadRows(HeldOut(rows, samples), rejections, content, budget, blocks)
