"""Curated rows as JSON lines that people and Luthier's own sources can read, and back to samples."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from luthier.data.example import Rejection
from luthier.data.row_json import loads
from luthier.data.sample import Answer, Message, Sample
from luthier.data.schemas import FIELDS, FIELDS_OF_EVERY_SCHEMA, RowError, convert, schema_of

_TAKEN = {"source", "row", "group", *FIELDS_OF_EVERY_SCHEMA}.union(*(n + m for n, m in FIELDS.values()))


def row_of(sample: Sample) -> dict[str, Any]:
    """Return a sample as a row of the schema of its kind, without what is empty.

    ``source`` and ``row`` say where it came from; attributes become columns under their own names.
    """
    row: dict[str, Any] = _TO_ROW[sample.kind](sample)
    if sample.weight != 1.0:
        row["weight"] = sample.weight
    if sample.task is not None:
        row["task"] = sample.task
    if sample.group is not None:
        row["group"] = sample.group
    row |= {_column(name): value for name, value in sample.attributes.items()}
    return row | {"source": sample.source, "row": sample.row}


def read_curated(path: Path, attributes: Collection[str]) -> Iterator[Sample | Rejection]:
    """Yield the samples of a file that was written with `row_of`, and a rejection for each row that is none any more.

    A cleaner may have emptied an answer or moved a span: such a row is left out here, with the schema's reason.

    Args:
        path: JSON lines.
        attributes: Names of the columns that are attributes.
    """
    with path.open("rb") as file:
        for line in file:
            row = loads(line)
            try:
                yield _sample_of(row, attributes)
            except RowError as error:
                yield Rejection(row["source"], row["row"], error.reason, error.detail, raw=row)


def _column(attribute: str) -> str:
    """Return the column of an attribute: a field of a schema would be read as one."""
    return f"attribute.{attribute}" if attribute in _TAKEN else attribute


def _sample_of(row: Mapping[str, Any], attributes: Collection[str]) -> Sample:
    schema = schema_of(row)
    assert schema is not None, "row_of writes a schema's fields"
    found = {name: row[column] for name in attributes if (column := _column(name)) in row}
    place = {"source": row["source"], "number": row["row"]}
    return convert(row, schema, **place, group=row.get("group"), attributes=found, roles=None)


def moved_answers(sample: Sample) -> Sample:
    """Return a question whose context was rewritten with its answers where they stand now.

    An answer that stands nowhere any more keeps its place; reading the row leaves it out, with the reason.
    """
    context = sample.context
    if context is None or all(context.startswith(a.text, a.start) for a in sample.answers):
        return sample
    return replace(sample, answers=tuple(_moved(answer, context) for answer in sample.answers))


def _moved(answer: Answer, context: str) -> Answer:
    """Return the answer at its occurrence that is nearest to where it stood."""
    places: list[int] = []
    place = context.find(answer.text)
    while place >= 0 and answer.text:
        places.append(place)
        place = context.find(answer.text, place + 1)
    return (
        replace(answer, start=min(places, key=lambda start: abs(start - answer.start))) if places else answer
    )


def _conversation(sample: Sample) -> dict[str, Any]:
    row: dict[str, Any] = {"messages": [_message(message) for message in sample.messages]}
    return row | {"tools": list(sample.tools)} if sample.tools else row


def _message(message: Message) -> dict[str, Any]:
    entry: dict[str, Any] = {"role": message.role, "content": message.content}
    if message.tool_calls:
        entry["tool_calls"] = list(message.tool_calls)
    if message.weight != 1:
        entry["weight"] = message.weight
    return entry


def _classification(sample: Sample) -> dict[str, Any]:
    labels = list(sample.labels or ())
    row: dict[str, Any] = {"text": sample.text}
    if sample.text_pair is not None:
        row["text_pair"] = sample.text_pair
    return row | {"label": labels[0] if len(labels) == 1 else labels}


def _question_answering(sample: Sample) -> dict[str, Any]:
    answers = [{"text": answer.text, "answer_start": answer.start} for answer in sample.answers]
    return {"question": sample.question, "context": sample.context, "answers": answers}


_TO_ROW = {
    "conversation": _conversation,
    "text": lambda sample: {"text": sample.text},
    "classification": _classification,
    "token_classification": lambda sample: {"tokens": list(sample.tokens), "tags": list(sample.tags)},
    "question_answering": _question_answering,
}
