"""The data stage: curated rows to encoded ones, the label budget counted, each row left out with a reason."""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any, ClassVar, Literal

from luthier.core.artifact import Artifact
from luthier.core.errors import DataError
from luthier.core.events import EventLog
from luthier.core.files import atomic_folder, write_json
from luthier.data.budget import SplitBudget, check_rows_left, label_budget, notices
from luthier.data.curate.stage import REJECTED_FILE, CuratedRows, left_out_of, read_rows_of
from luthier.data.encode import Encoder, LearningEncoder
from luthier.data.example import Example, Rejection
from luthier.data.full_blocks import FillingEncoder
from luthier.data.row_json import dumps
from luthier.data.sample import Sample
from luthier.data.store import StoredExamples, write_examples
from luthier.data.train_share import ALL, Share

Split = Literal["train", "eval"]
SPLITS: tuple[Split, ...] = ("train", "eval")
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
        learned: What the objective found in the training rows, e.g. its classes; empty for language models.
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
    learned: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        object.__setattr__(self, "notices", tuple(self.notices))  # a list, when read from JSON


def prepare(
    rows: CuratedRows,
    encoder: Encoder,
    *,
    where: str,
    folder: Path,
    fingerprint: str,
    hashes: Mapping[str, str],
    events: EventLog,
    share: Share = ALL,
) -> DatasetVersion:
    """Encode curated rows.

    Args:
        rows: What the rows stage made.
        encoder: Of the objective.
        where: The training files, for errors.
        folder: Gets ``train.parquet``, ``eval.parquet``, ``rejected.jsonl`` (with those of the rows stage) and
            ``label_budget.json``.
        fingerprint: Of this stage.
        hashes: ``template_hash`` and ``tokenizer_hash``.
        events: Told about the progress.
        share: Which of the training rows are trained; what the objective learns, such as classes, it learns of all.

    Raises:
        DataError: Too little of the rows can be used.
    """
    learned: dict[str, Any] = {}
    if isinstance(encoder, LearningEncoder):
        learned = encoder.learn(row for row in read_rows_of(rows, "train") if isinstance(row, Sample))
    with atomic_folder(folder) as partial:
        shutil.copyfile(rows.folder / REJECTED_FILE, partial / REJECTED_FILE)
        encoding = _Encoding(encoder, events, rows, partial / REJECTED_FILE, share)
        for name in SPLITS:
            write_examples(partial / f"{name}.parquet", encoding.rows(name))
        _check_kept(rows, encoding, where)
        write_json(partial / "label_budget.json", label_budget(encoding.budgets, encoding.rejections))
    budgets = encoding.budgets
    return DatasetVersion(
        folder=folder,
        fingerprint=fingerprint,
        num_train=budgets["train"].examples,
        num_eval=budgets["eval"].examples,
        num_rejected=len(encoding.rejections),
        num_tokens=budgets["train"].tokens,
        num_supervised=budgets["train"].supervised_tokens,
        max_tokens=max(budget.longest_tokens for budget in budgets.values()),
        template_hash=hashes["template_hash"],
        tokenizer_hash=hashes["tokenizer_hash"],
        content_hash=encoding.digest.hexdigest(),
        notices=(
            *notices(budgets, encoding.rejections),
            *share.notices(encoding.num_passed_over, rows.num_train),
        ),
        learned=learned,
    ).save()


class _Encoding:
    """Encodes rows one by one on their way to the file, and counts and hashes what passes."""

    def __init__(
        self, encoder: Encoder, events: EventLog, rows: CuratedRows, rejected: Path, share: Share
    ) -> None:
        self._encoder = encoder
        self._events = events
        self._rows = rows
        self._rejected = rejected
        self._total = rows.num_train + rows.num_eval
        self._done = 0
        self._share = share
        self.num_passed_over = 0
        self.budgets: dict[str, SplitBudget] = {}
        self.rejections = [replace(rejection, raw=None) for rejection in left_out_of(rows)]
        self.digest = hashlib.sha256()

    def rows(self, name: Split) -> Iterator[tuple[Sample, list[Example]]]:
        """Yield the rows of a split that can be encoded."""
        budget = self.budgets[name] = SplitBudget()
        self.digest.update(f"{name}\n".encode())
        encoder, entry = self._encoder, None
        if name == "eval" and isinstance(encoder, FillingEncoder):
            encoder = encoder.by_row
        for entry in read_rows_of(self._rows, name):
            if name == "train" and isinstance(entry, Sample) and not self._share.takes(entry):
                self.num_passed_over += 1
                continue
            result = encoder(entry) if isinstance(entry, Sample) else entry
            self._done += 1
            if self._done % _PROGRESS_ROWS == 0 or self._done == self._total:
                self._events.emit("progress", stage="data", done=self._done, total=self._total)
            if isinstance(result, Rejection):
                self._reject(entry, result)
                continue
            assert isinstance(entry, Sample)
            budget.add(result)
            yield entry, self._noted(result)
        if isinstance(encoder, FillingEncoder) and (rest := encoder.finish()):
            assert isinstance(entry, Sample)
            budget.add_rest(rest)
            yield entry, self._noted(rest)

    def _noted(self, examples: list[Example]) -> list[Example]:
        for example in examples:
            self._note(example)
        return examples

    def _note(self, example: Example) -> None:
        self.digest.update(f"{len(example.input_ids)}\n".encode())
        self.digest.update(example.input_ids.tobytes())
        self.digest.update(example.labels.tobytes())
        if example.token_type_ids is not None:
            self.digest.update(example.token_type_ids.tobytes())
        if example.task is not None:
            self.digest.update(f"task {example.task}\n".encode())
        if example.weight != 1.0:
            self.digest.update(f"weight {example.weight!r}\n".encode())

    def _reject(self, entry: Sample | Rejection, rejection: Rejection) -> None:
        raw = asdict(entry) if isinstance(entry, Sample) else entry.raw
        line = {name: getattr(rejection, name) for name in ("source", "row", "reason", "detail")}
        with self._rejected.open("ab") as file:
            file.write(dumps({**line, "raw": raw}) + b"\n")
        self.rejections.append(replace(rejection, raw=None))


def _check_kept(rows: CuratedRows, encoding: _Encoding, where: str) -> None:
    """Refuse data of which too little was left by the encoder."""
    budgets = encoding.budgets
    own = encoding.rejections[rows.num_left_out :]
    num_read = rows.num_train - encoding.num_passed_over + rows.num_eval
    check_rows_left(num_read, budgets["train"].rows, own, where)
    if rows.num_eval and not budgets["eval"].rows:
        detail = encoding.rejections[-1].detail
        raise DataError(
            f"none of the {rows.num_eval} rows chosen to be held out can be encoded: {detail}",
            where="data.eval",
            cure="hold out more rows, or raise data.max_length",
        )


def read_examples(dataset: DatasetVersion, split: Split) -> StoredExamples:
    """Return the encoded rows of a split; each is made when it is asked for."""
    return StoredExamples(dataset.folder / f"{split}.parquet")


def read_samples(dataset: DatasetVersion, split: Split) -> list[Sample]:
    """Return the rows of a split as they were read."""
    return list(read_examples(dataset, split).samples())
