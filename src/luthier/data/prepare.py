"""The data stage: files to encoded rows, every row counted, kept or left out with a reason."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from itertools import chain
from pathlib import Path
from typing import Any, ClassVar, Literal

from luthier.core.artifact import Artifact
from luthier.core.errors import DataError
from luthier.core.events import EventLog
from luthier.core.files import atomic_folder, write_json
from luthier.data.budget import SplitBudget, check_rows_left, label_budget, notices
from luthier.data.dedup import ExactDuplicates
from luthier.data.encode import Encoder
from luthier.data.example import Example, Rejection
from luthier.data.read import read_source, source_hash
from luthier.data.sample import Sample
from luthier.data.split import split_rows
from luthier.data.store import StoredExamples, write_examples
from luthier.recipe.schema import CleanSection, EvalSection, Source

__all__ = ["DatasetVersion", "Split", "prepare", "read_examples", "read_samples", "source_hash"]

Split = Literal["train", "eval"]
_PROGRESS_ROWS = 500


@dataclass(frozen=True)
class DatasetVersion(Artifact):
    """Encoded rows, ready to be trained and evaluated.

    Args:
        num_train: Examples to train: conversations, or blocks of raw text.
        num_eval: Examples held out.
        num_rejected: Rows left out.
        num_tokens: Tokens of the training examples.
        num_supervised: Those that carry loss.
        max_tokens: Longest example.
        template_hash: Of the chat template; empty for raw text.
        tokenizer_hash: Of vocabulary and special tokens.
        content_hash: Of the encoded rows.
        notices: What a user should read before training.
    """

    stage: ClassVar[str] = "data"

    num_train: int
    num_eval: int
    num_rejected: int
    num_tokens: int
    num_supervised: int
    max_tokens: int
    template_hash: str
    tokenizer_hash: str
    content_hash: str
    notices: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        object.__setattr__(self, "notices", tuple(self.notices))  # a list, when read from JSON


@dataclass
class _Side:
    """The rows of one side, training or evaluation, on their way through the stage."""

    where: str
    samples: list[Sample] = field(default_factory=list)
    rejections: list[Rejection] = field(default_factory=list)
    num_read: int = 0

    def reject(self, sample: Sample, reason: str, detail: str) -> None:
        """Leave a row out."""
        self.rejections.append(Rejection(sample.source, sample.row, reason, detail, raw=asdict(sample)))


def prepare(
    sources: Sequence[Source],
    evaluation: EvalSection,
    clean: CleanSection,
    encoder: Encoder,
    *,
    folder: Path,
    recipe_folder: Path,
    seed: int,
    fingerprint: str,
    hashes: Mapping[str, str],
    events: EventLog,
) -> DatasetVersion:
    """Read, check, deduplicate, split and encode.

    Args:
        sources: Files to train on.
        evaluation: Held-out rows.
        clean: What is removed.
        encoder: Of the objective.
        folder: Gets ``train.parquet``, ``eval.parquet``, ``rejected.jsonl`` and ``label_budget.json``.
        recipe_folder: Relative paths start here.
        seed: Of the split.
        fingerprint: Of this stage.
        hashes: ``template_hash`` and ``tokenizer_hash``.
        events: Told about the progress.

    Raises:
        DataError: A file cannot be read, or too little of it can be used.
    """
    train = _read(sources, recipe_folder, evaluation.group_by)
    held_out = _read(evaluation.sources, recipe_folder, None)
    if clean.deduplicate == "exact":
        _drop_duplicates(held_out)
        _drop_duplicates(train)
    _drop_held_out(train, held_out)
    check_rows_left(train.num_read, len(train.samples), train.rejections, train.where)
    sides = {"train": train, "eval": held_out}
    if evaluation.split is not None:
        is_held_out = split_rows(train.samples, evaluation.split, seed)
        held_out = _Side(train.where, [s for s, out in zip(train.samples, is_held_out, strict=True) if out])
        kept = [s for s, out in zip(train.samples, is_held_out, strict=True) if not out]
        sides = {"train": replace(train, samples=kept), "eval": held_out}
    with atomic_folder(folder) as partial:
        writing = _Writing(encoder, events, sum(len(side.samples) for side in sides.values()))
        for name, side in sides.items():
            write_examples(partial / f"{name}.parquet", writing.rows(name, side))
        _check_kept(sides, writing.budgets, evaluation)
        rejections = list(chain.from_iterable(side.rejections for side in sides.values()))
        _write_rejections(partial / "rejected.jsonl", rejections)
        write_json(partial / "label_budget.json", label_budget(writing.budgets, rejections))
    budgets = writing.budgets
    return DatasetVersion(
        folder=folder,
        fingerprint=fingerprint,
        num_train=budgets["train"].examples,
        num_eval=budgets["eval"].examples,
        num_rejected=len(rejections),
        num_tokens=budgets["train"].tokens,
        num_supervised=budgets["train"].supervised_tokens,
        max_tokens=max(budget.longest_tokens for budget in budgets.values()),
        template_hash=hashes["template_hash"],
        tokenizer_hash=hashes["tokenizer_hash"],
        content_hash=writing.digest.hexdigest(),
        notices=notices(budgets, rejections),
    ).save()


def _read(sources: Sequence[Source], recipe_folder: Path, group_by: str | None) -> _Side:
    side = _Side(", ".join(source.path for source in sources))
    for source in sources:
        for entry in read_source(source, recipe_folder, group_by=group_by):
            side.num_read += 1
            if isinstance(entry, Sample):
                side.samples.append(entry)
            else:
                side.rejections.append(entry)
    return side


def _drop_duplicates(side: _Side) -> None:
    """Keep the first of equal rows."""
    _drop_equal(side, "duplicate", ExactDuplicates().first_place)


def _drop_held_out(train: _Side, held_out: _Side) -> None:
    """Drop training rows that are held out: no row of an evaluation source is trained."""
    seen = ExactDuplicates()
    for sample in held_out.samples:
        seen.first_place(sample)
    _drop_equal(train, "in_evaluation_set", seen.place_of)


def _drop_equal(side: _Side, reason: str, place_of_equal: Callable[[Sample], str | None]) -> None:
    """Leave out the rows that have an equal one elsewhere."""
    kept = []
    for sample in side.samples:
        if place := place_of_equal(sample):
            side.reject(sample, reason, f"equal to {place}")
        else:
            kept.append(sample)
    side.samples = kept


class _Writing:
    """Encodes rows one by one on their way to the file, and counts and hashes what passes."""

    def __init__(self, encoder: Encoder, events: EventLog, total: int) -> None:
        self._encoder = encoder
        self._events = events
        self._total = total
        self._done = 0
        self.budgets: dict[str, SplitBudget] = {}
        self.digest = hashlib.sha256()

    def rows(self, name: str, side: _Side) -> Iterator[tuple[Sample, list[Example]]]:
        """Yield the rows of a side that can be encoded."""
        budget = self.budgets[name] = SplitBudget()
        self.digest.update(f"{name}\n".encode())
        for sample in side.samples:
            result = self._encoder(sample)
            self._done += 1
            if self._done % _PROGRESS_ROWS == 0 or self._done == self._total:
                self._events.emit("progress", stage="data", done=self._done, total=self._total)
            if isinstance(result, Rejection):
                side.reject(sample, result.reason, result.detail)
                continue
            budget.add(result)
            for example in result:
                self.digest.update(f"{len(example.input_ids)}\n".encode())
                self.digest.update(example.input_ids.tobytes())
                self.digest.update(example.labels.tobytes())
            yield sample, result


def _check_kept(
    sides: Mapping[str, _Side], budgets: Mapping[str, SplitBudget], evaluation: EvalSection
) -> None:
    """Refuse data of which too little was left by the encoder."""
    train, held_out = sides["train"], sides["eval"]
    if evaluation.split is None:
        check_rows_left(train.num_read, budgets["train"].rows, train.rejections, train.where)
        if evaluation.sources:
            check_rows_left(held_out.num_read, budgets["eval"].rows, held_out.rejections, held_out.where)
        return
    both = [*train.rejections, *held_out.rejections]
    check_rows_left(train.num_read, budgets["train"].rows, both, train.where)
    if not budgets["eval"].rows:
        detail = held_out.rejections[0].detail
        raise DataError(
            f"none of the {len(held_out.samples)} rows chosen to be held out can be encoded: {detail}",
            where="data.eval.split",
            cure="raise the share, or data.max_length",
        )


def _write_rejections(path: Path, rejections: Sequence[Rejection]) -> None:
    with path.open("w", encoding="utf-8", errors="surrogatepass") as file:
        for rejection in rejections:
            line: dict[str, Any] = {
                name: getattr(rejection, name) for name in ("source", "row", "reason", "detail", "raw")
            }
            file.write(json.dumps(line, ensure_ascii=False, default=str) + "\n")


def read_examples(dataset: DatasetVersion, split: Split) -> StoredExamples:
    """Return the encoded rows of a split; each is made when it is asked for."""
    return StoredExamples(dataset.folder / f"{split}.parquet")


def read_samples(dataset: DatasetVersion, split: Split) -> list[Sample]:
    """Return the rows of a split as they were read."""
    return list(read_examples(dataset, split).samples())
