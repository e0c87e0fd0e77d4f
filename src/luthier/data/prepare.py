"""The data stage: files to encoded rows, every row counted, kept or left out with a reason."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain, islice
from pathlib import Path
from typing import Any, ClassVar, Literal

from luthier.core import hashing
from luthier.core.artifact import Artifact
from luthier.core.events import EventLog
from luthier.core.files import atomic_folder, write_json
from luthier.core.hashing import hash_file
from luthier.data.budget import check_rows_left, label_budget
from luthier.data.dedup import ExactDuplicates
from luthier.data.encode import Encoder
from luthier.data.example import Example, Rejection
from luthier.data.sample import Sample
from luthier.data.schemas import RowError, convert, detect_schema
from luthier.data.sources import read_rows
from luthier.data.split import split_rows
from luthier.data.store import StoredExamples, write_examples
from luthier.recipe.schema import CleanSection, EvalSection, Source

_DETECTED_ROWS = 100
Split = Literal["train", "eval"]


@dataclass(frozen=True)
class DatasetVersion(Artifact):
    """Encoded rows, ready to be trained and evaluated.

    Args:
        num_train: Rows to train.
        num_eval: Rows held out.
        num_rejected: Rows left out.
        num_tokens: Tokens of the training rows.
        num_supervised: Those that carry loss.
        max_tokens: Longest row.
        template_hash: Of the chat template; empty for raw text.
        tokenizer_hash: Of vocabulary and special tokens.
        content_hash: Of the encoded rows.
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


def source_hash(sources: Sequence[Source], recipe_folder: Path) -> str:
    """Return one hash over the files and how the recipe reads them."""
    return hashing.fingerprint(
        [(s.model_dump(by_alias=True), hash_file(recipe_folder / s.path)) for s in sources]
    )


@dataclass
class _Rows:
    """What reading gathers: samples in order, and rows that are none."""

    samples: list[Sample]
    rejections: list[Rejection]
    num_read: int = 0


def read_source(
    source: Source, recipe_folder: Path, *, group_by: str | None = None
) -> Iterator[Sample | Rejection]:
    """Yield the samples of a source, and a rejection for each row that is none.

    Raises:
        DataError: The file cannot be read, or its schema cannot be told.
    """
    path = recipe_folder / source.path
    rows = read_rows(path)
    if source.limit:
        rows = islice(rows, source.limit)
    first = [(n, _renamed(row, source.columns)) for n, row in islice(rows, _DETECTED_ROWS)]
    schema = source.schema_ or detect_schema(first, source.path)
    for number, row in chain(first, ((n, _renamed(row, source.columns)) for n, row in rows)):
        try:
            group = _group(row, group_by)
            yield convert(row, schema, source=source.path, number=number, group=group)
        except RowError as error:
            yield Rejection(source.path, number, error.reason, error.detail, raw=row)


def _renamed(row: Any, columns: Mapping[str, str]) -> Any:
    if not columns or not isinstance(row, dict):
        return row
    actual = set(columns.values())
    return {
        **{k: v for k, v in row.items() if k not in actual},
        **{k: row[v] for k, v in columns.items() if v in row},
    }


def _group(row: Any, field_name: str | None) -> str | None:
    if field_name is None or not isinstance(row, dict):
        return None
    if row.get(field_name) is None:
        raise RowError("no_group", f"field {field_name}, which data.eval.group_by names, is missing")
    return str(row[field_name])


def _read(sources: Sequence[Source], recipe_folder: Path, group_by: str | None) -> _Rows:
    rows = _Rows([], [])
    for source in sources:
        for entry in read_source(source, recipe_folder, group_by=group_by):
            rows.num_read += 1
            if isinstance(entry, Sample):
                rows.samples.append(entry)
            else:
                rows.rejections.append(entry)
    return rows


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
    read = _read(sources, recipe_folder, evaluation.group_by)
    held = _read(evaluation.sources, recipe_folder, None)
    rejections = [*held.rejections, *read.rejections]
    samples: dict[str, list[Sample]] = {"eval": held.samples, "train": read.samples}
    if clean.deduplicate == "exact":
        samples = _without_duplicates(samples, rejections)
    where = ", ".join(source.path for source in sources)
    if evaluation.split is not None and samples["train"]:
        is_held_out = split_rows(samples["train"], evaluation.split, seed)
        samples["eval"] = [s for s, out in zip(samples["train"], is_held_out, strict=True) if out]
        samples["train"] = [s for s, out in zip(samples["train"], is_held_out, strict=True) if not out]
    encoded = {name: _encode(rows, encoder, rejections, events) for name, rows in samples.items()}
    check_rows_left(read.num_read, len(encoded["train"]), rejections, where)
    if (evaluation.split or evaluation.sources) and not encoded["eval"]:
        check_rows_left(held.num_read, 0, rejections, "data.eval")
    return _write(encoded, rejections, folder, fingerprint, hashes)


def _without_duplicates(
    samples: dict[str, list[Sample]], rejections: list[Rejection]
) -> dict[str, list[Sample]]:
    """Drop repeated rows; a training row that is also held out is dropped from training."""
    held_out = ExactDuplicates()
    kept: dict[str, list[Sample]] = {"eval": [], "train": []}
    for sample in samples["eval"]:
        if place := held_out.first_place(sample):
            rejections.append(_duplicate(sample, "duplicate", place))
        else:
            kept["eval"].append(sample)
    trained = ExactDuplicates()
    for sample in samples["train"]:
        if place := held_out.place_of(sample):
            rejections.append(_duplicate(sample, "in_evaluation_set", place))
        elif place := trained.first_place(sample):
            rejections.append(_duplicate(sample, "duplicate", place))
        else:
            kept["train"].append(sample)
    return kept


def _duplicate(sample: Sample, reason: str, place: str) -> Rejection:
    return Rejection(sample.source, sample.row, reason, f"equal to {place}", raw=_raw(sample))


def _raw(sample: Sample) -> Any:
    if sample.text is not None:
        return {"text": sample.text}
    return {"messages": [{"role": m.role, "content": m.content} for m in sample.messages]}


def _encode(
    samples: Sequence[Sample], encoder: Encoder, rejections: list[Rejection], events: EventLog
) -> list[tuple[Example, Sample]]:
    encoded = []
    for number, sample in enumerate(samples, start=1):
        result = encoder(sample)
        if isinstance(result, Rejection):
            raw = _raw(sample)
            rejections.append(Rejection(result.source, result.row, result.reason, result.detail, raw=raw))
        else:
            encoded.extend((example, sample) for example in result)
        if number % 500 == 0 or number == len(samples):
            events.emit("progress", stage="data", done=number, total=len(samples))
    return encoded


def _write(
    encoded: dict[str, list[tuple[Example, Sample]]],
    rejections: Sequence[Rejection],
    folder: Path,
    digest: str,
    hashes: Mapping[str, str],
) -> DatasetVersion:
    examples = {name: [example for example, _ in rows] for name, rows in encoded.items()}
    with atomic_folder(folder) as partial:
        for name, rows in encoded.items():
            write_examples(partial / f"{name}.parquet", rows)
        with (partial / "rejected.jsonl").open("w", encoding="utf-8") as file:
            for rejection in rejections:
                line = {
                    name: getattr(rejection, name) for name in ("source", "row", "reason", "detail", "raw")
                }
                file.write(json.dumps(line, ensure_ascii=False, default=str) + "\n")
        write_json(partial / "label_budget.json", label_budget(examples, rejections))
    train = examples["train"]
    content = [
        (row.input_ids.tolist(), row.labels.tolist()) for name in ("train", "eval") for row in examples[name]
    ]
    return DatasetVersion(
        folder=folder,
        fingerprint=digest,
        num_train=len(train),
        num_eval=len(examples["eval"]),
        num_rejected=len(rejections),
        num_tokens=sum(len(row.input_ids) for row in train),
        num_supervised=sum(row.num_supervised for row in train),
        max_tokens=max(len(row.input_ids) for rows in examples.values() for row in rows),
        template_hash=hashes["template_hash"],
        tokenizer_hash=hashes["tokenizer_hash"],
        content_hash=hashing.fingerprint(content),
    ).save()


def read_examples(dataset: DatasetVersion, split: Split) -> StoredExamples:
    """Return the encoded rows of a split."""
    return StoredExamples(dataset.folder / f"{split}.parquet")


def read_samples(dataset: DatasetVersion, split: Split) -> list[Sample]:
    """Return the rows of a split as they were read."""
    return list(read_examples(dataset, split).samples())
