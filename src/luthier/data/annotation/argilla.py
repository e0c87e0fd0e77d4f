"""Read and write Argilla's JSON: records with fields, metadata, responses of users and suggestions of models."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from uuid import NAMESPACE_URL, UUID, uuid5

from luthier.core.errors import DataError
from luthier.data.annotation.items import Gold, Item, Prelabel, Rating, moment
from luthier.data.annotation.settings import Settings
from luthier.data.sinks import writing
from luthier.data.sources import read_rows

METADATA_KEY = "luthier"
"""Metadata that keeps what Argilla's records have no place for: raters' names, times, skipped rows and gold."""


@dataclass
class ArgillaFile:
    """Records as ``dataset.records.to_json`` writes them.

    Args:
        path: The file.
        question: Name of the question that asks for the label; None where there is one only.

    Reference: https://docs.argilla.io/latest/how_to_guides/import_export/ (export of records),
    https://docs.argilla.io/latest/reference/argilla/records/records/ (fields of a record),
    https://docs.argilla.io/latest/reference/argilla/records/responses/ (value, user_id, status),
    https://docs.argilla.io/latest/reference/argilla/records/suggestions/ (value, score, agent).
    """

    path: Path
    question: str | None = None
    ignored: Counter[str] = field(default_factory=Counter)
    """What the file holds beside labels, and how often; filled while items are read."""

    def items(self) -> Iterator[Item]:
        """Yield one item a record.

        Raises:
            DataError: A record is no record, or an answer is none of one label; row, rater and field are named.
        """
        question = self.question or self._only_question()
        for number, record in read_rows(self.path):
            yield self._item(record, question, f"{self.path}, row {number}")

    def _only_question(self) -> str:
        names = Counter(
            name
            for _, record in read_rows(self.path)
            for part in ("responses", "suggestions")
            if isinstance(record, dict) and isinstance(record.get(part), dict)
            for name in record[part]
        )
        if len(names) > 1:
            problem = f"holds answers to {len(names)} questions: {', '.join(sorted(names))}"
            raise DataError(problem, where=str(self.path), cure="name one with `--control`")
        return next(iter(names), "label")

    def _item(self, record: Any, question: str, where: str) -> Item:
        if not isinstance(record, dict) or not isinstance(record.get("fields"), dict):
            problem = "is no record of Argilla: the field 'fields' is missing"
            raise DataError(problem, where=where, cure="export with `dataset.records.to_json(path)`")
        if record.get("id") is None:
            raise DataError("the field 'id' is missing", where=where)
        metadata = record.get("metadata") or {}
        if not isinstance(metadata, dict):
            raise DataError("an object was expected", where=f"{where}, field metadata")
        metadata = dict(metadata)
        kept = _kept(metadata.pop(METADATA_KEY, None), where)
        names, times, skipped = kept["raters"], kept["at"], kept["skipped"]
        ratings = []
        for response in self._answers(record, "responses", question, where):
            user = response.get("user_id")
            if not isinstance(user, str) or not user:
                raise DataError(f"{user!r} names no rater", where=f"{where}, field responses.user_id")
            rater = str(names.get(user, user))
            place = f"{where}, rater {rater}, field {question}"
            status = response.get("status")
            if status == "draft":
                self.ignored["drafts"] += 1
                continue
            label = None if status == "discarded" else _label(response.get("value"), place)
            ratings.append(Rating(rater, label, _time(times.get(rater), place)))
        ratings += [Rating(str(rater), None, _time(times.get(rater), where)) for rater in skipped]
        prelabels = tuple(
            Prelabel(
                label=_label(suggestion.get("value"), f"{where}, suggestion {question}"),
                score=score if isinstance(score := suggestion.get("score"), int | float) else None,
                model=str(suggestion.get("agent") or "unknown"),
            )
            for suggestion in self._answers(record, "suggestions", question, where)
        )
        if record.get("vectors"):
            self.ignored["vectors"] += 1
        return Item(
            id=str(record["id"]),
            data={**record["fields"], **metadata},
            ratings=tuple(ratings),
            counts=kept["counts"],
            gold=Gold(**kept["gold"]) if kept["gold"] else None,
            prelabels=prelabels,
            where=where,
        )

    def _answers(
        self, record: Mapping[str, Any], part: str, question: str, where: str
    ) -> list[Mapping[str, Any]]:
        by_question = record.get(part) or {}
        if not isinstance(by_question, dict):
            raise DataError("an object by question was expected", where=f"{where}, field {part}")
        for other in by_question.keys() - {question}:
            self.ignored[f"{part} to {other}"] += 1
        found = by_question.get(question, [])
        answers = found if isinstance(found, list) else [found]
        if not all(isinstance(answer, dict) for answer in answers):
            raise DataError("objects with a value were expected", where=f"{where}, field {part}.{question}")
        return answers


def write_argilla(path: Path, items: Iterable[Item], settings: Settings) -> None:
    """Write records that Argilla loads and `ArgillaFile` reads back.

    Argilla knows users by UUID: a rater with another name gets one made from it, and the name is kept in the
    metadata. A record takes one suggestion: that of the newest pre-label.

    Args:
        path: A ``.json`` file.
    """
    with writing(path) as write:
        for item in items:
            write(_record(item, settings))


def _record(item: Item, settings: Settings) -> dict[str, Any]:
    users = {rating.rater: user_id(rating.rater) for rating in item.ratings}
    kept = {
        "raters": {user: rater for rater, user in users.items() if user != rater},
        "at": {rating.rater: rating.at for rating in item.ratings if rating.at},
        "skipped": [rating.rater for rating in item.ratings if rating.label is None],
        "counts": dict(item.counts),
        "gold": vars(item.gold) if item.gold else None,
    }
    responses = [
        {"value": rating.label, "user_id": users[rating.rater]}
        for rating in item.ratings
        if rating.label is not None
    ]
    newest = item.prelabels[-1] if item.prelabels else None
    suggestion = {"value": newest.label, "score": newest.score, "agent": newest.model} if newest else None
    plain = {name: value for name, value in item.data.items() if isinstance(value, int | float)}
    return {
        "id": item.id,
        "fields": {name: value for name, value in item.data.items() if name not in plain},
        "metadata": {**plain, METADATA_KEY: json.dumps(kept, ensure_ascii=False)},
        "suggestions": {settings.question: suggestion} if suggestion else {},
        "responses": {settings.question: responses} if responses else {},
        "vectors": {},
        "_server_id": None,
    }


def user_id(rater: str) -> str:
    """Return the UUID that stands for a rater in Argilla: the name itself where it is one."""
    try:
        return rater if str(UUID(rater)) == rater else str(uuid5(NAMESPACE_URL, f"luthier:rater:{rater}"))
    except ValueError:
        return str(uuid5(NAMESPACE_URL, f"luthier:rater:{rater}"))


def _kept(value: Any, where: str) -> dict[str, Any]:
    """Return what `write_argilla` put into the metadata, empty where another program wrote the file."""
    empty: dict[str, Any] = {"raters": {}, "at": {}, "skipped": [], "counts": {}, "gold": None}
    if value is None:
        return empty
    try:
        kept = {**empty, **json.loads(value)}
        is_whole = all(isinstance(kept[name], type(form)) for name, form in empty.items() if form is not None)
        if kept["gold"] is not None:
            Gold(**kept["gold"])
    except (TypeError, ValueError, RecursionError):
        is_whole = False
    if not is_whole or not all(isinstance(count, int) for count in kept["counts"].values()):
        raise DataError("does not hold what Luthier writes there", where=f"{where}, metadata {METADATA_KEY}")
    return kept


def _label(value: Any, where: str) -> str:
    if isinstance(value, list) and len(value) == 1:
        value = value[0]
    if isinstance(value, bool) or not isinstance(value, str | int):
        raise DataError(f"{value!r}; one label a row was expected", where=where)
    return str(value)


def _time(value: Any, where: str) -> str | None:
    return None if value is None else moment(value, where=where)
