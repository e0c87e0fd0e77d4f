"""Read and write Label Studio's JSON: tasks with annotations of choices or ratings, and predictions."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from xml.sax.saxutils import quoteattr

from luthier.core.errors import DataError
from luthier.core.hashing import fingerprint, short
from luthier.data.annotation.items import Gold, Item, Prelabel, Rating, moment
from luthier.data.annotation.settings import Settings
from luthier.data.sinks import writing
from luthier.data.sources import read_rows

ROW_KEY = "luthier_row"
"""Key in a task's data that keeps the row's id: Label Studio numbers tasks itself and keeps data as it is."""


@dataclass
class LabelStudioFile:
    """An export of Label Studio ("JSON", not "JSON-MIN").

    Args:
        path: The file.
        control: Name of the ``Choices`` or ``Rating`` tag that holds the label; None where there is one only.

    Reference: https://labelstud.io/guide/task_format.html (tasks, annotations, ``completed_by``,
    ``was_cancelled``, ``ground_truth``), https://labelstud.io/guide/predictions.html (predictions, ``score``,
    ``model_version``), https://labelstud.io/tags/choices.html and https://labelstud.io/tags/rating.html (values).
    """

    path: Path
    control: str | None = None
    ignored: Counter[str] = field(default_factory=Counter)
    """What the file holds beside labels, and how often; filled while items are read."""

    def items(self) -> Iterator[Item]:
        """Yield one item a task.

        Raises:
            DataError: A task is no task, or an answer is none of one label; row, rater and field are named.
        """
        control = self.control or self._only_control()
        for number, task in read_rows(self.path):
            yield self._item(task, control, f"{self.path}, row {number}")

    def _only_control(self) -> str:
        names = Counter(
            result.get("from_name")
            for _, task in read_rows(self.path)
            for result in _results_of(task)
            if _is_answer(result)
        )
        if len(names) > 1:
            known = ", ".join(sorted(map(str, names)))
            problem = f"holds answers to {len(names)} questions: {known}"
            raise DataError(problem, where=str(self.path), cure="name one with `--control`")
        return str(next(iter(names), "label"))

    def _item(self, task: Any, control: str, where: str) -> Item:
        if not isinstance(task, dict) or not isinstance(task.get("data"), dict):
            problem = "is no task of Label Studio: the field 'data' is missing"
            raise DataError(problem, where=where, cure="export as JSON, not as JSON-MIN or CSV")
        if "completions" in task:
            problem = "comes from a Label Studio before 1.0: field 'completions'"
            raise DataError(problem, where=where, cure="open the project in a newer one and export again")
        data = {name: value for name, value in task["data"].items() if name != ROW_KEY}
        row = task["data"].get(ROW_KEY, task.get("id"))
        if row is None:
            raise DataError(f"has neither 'id' nor 'data.{ROW_KEY}'", where=where)
        ratings, gold = [], None
        counts = Counter[str]()
        for annotation in _objects(task, "annotations", where):
            rating = self._rating(annotation, control, where)
            if annotation.get("ground_truth") and rating.label is not None:
                gold = Gold(rating.label, rating.rater or None, rating.at)
            elif rating.rater:
                ratings.append(rating)
            elif rating.label is not None:
                counts[rating.label] += 1
        prelabels = tuple(self._predictions(task, control, where))
        self.ignored["drafts"] += len(_list(task, "drafts", where))
        return Item(str(row), data, tuple(ratings), dict(counts), gold, prelabels, where=where)

    def _rating(self, annotation: Mapping[str, Any], control: str, where: str) -> Rating:
        rater = _rater(annotation.get("completed_by"), where)
        place = f"{where}, rater {rater or '(without name)'}"
        at = annotation.get("updated_at") or annotation.get("created_at")
        seconds = annotation.get("lead_time")
        return Rating(
            rater=rater,
            label=None if annotation.get("was_cancelled") else self._label(annotation, control, place),
            at=None if at is None else moment(at, where=f"{place}, field updated_at"),
            seconds=seconds if isinstance(seconds, int | float) else None,
        )

    def _predictions(self, task: Mapping[str, Any], control: str, where: str) -> Iterator[Prelabel]:
        for prediction in _list(task, "predictions", where):
            if not isinstance(prediction, dict):  # a snapshot "only IDs"
                self.ignored["predictions without content"] += 1
                continue
            model = str(prediction.get("model_version") or "unknown")
            label = self._label(prediction, control, f"{where}, model {model}")
            at, score = prediction.get("created_at"), prediction.get("score")
            if label is not None:
                yield Prelabel(
                    label=label,
                    score=score if isinstance(score, int | float) else None,
                    model=model,
                    at=None if at is None else moment(at, where=f"{where}, model {model}, field created_at"),
                )

    def _label(self, answer: Mapping[str, Any], control: str, where: str) -> str | None:
        """Return the one label of an annotation or prediction; None where it has none."""
        labels: list[str] = []
        for result in _objects(answer, "result", where):
            if result.get("from_name") != control or not _is_answer(result):
                self.ignored[f"results of {result.get('from_name') or result.get('type')}"] += 1
                continue
            value = result.get("value")
            if not isinstance(value, dict) or "start" in value or "x" in value:
                problem = "labels a part of the row; labels of whole rows were expected"
                raise DataError(problem, where=f"{where}, field {control}")
            chosen = value.get(result["type"])
            labels += map(_text, chosen if isinstance(chosen, list) else [chosen])
        if len(labels) > 1:
            problem = f"{len(labels)} labels ({', '.join(labels)}); one label a row was expected"
            raise DataError(problem, where=f"{where}, field {control}")
        return labels[0] if labels else None


def write_labelstudio(path: Path, items: Iterable[Item], settings: Settings) -> None:
    """Write tasks that Label Studio imports and `LabelStudioFile` reads back.

    A rater whose name is a number is written as a user's number, any other as a user's e-mail address.

    Args:
        path: A ``.json`` file.
    """
    with writing(path) as write:
        for number, item in enumerate(items, start=1):
            write(_task(number, item, settings))


def _task(number: int, item: Item, settings: Settings) -> dict[str, Any]:
    identity = [item.id, settings.question]
    annotations: list[dict[str, Any]] = []
    for rating in item.ratings:
        entry = _annotation(rating.label, settings, [*identity, rating.rater])
        seconds = {} if rating.seconds is None else {"lead_time": rating.seconds}
        annotations.append({**entry, **_by(rating.rater), **_times(rating.at), **seconds})
    for label, count in item.counts.items():
        annotations += [_annotation(label, settings, [*identity, label, n]) for n in range(count)]
    if gold := item.gold:
        entry = _annotation(gold.label, settings, [*identity, "gold"], is_gold=True)
        annotations.append({**entry, **_by(gold.by), **_times(gold.at)})
    predictions = [
        {
            "model_version": prelabel.model,
            "score": prelabel.score,
            "result": [_result(prelabel.label, settings, [*identity, prelabel.model])],
            **({"created_at": prelabel.at} if prelabel.at else {}),
        }
        for prelabel in item.prelabels
    ]
    data = {**item.data, ROW_KEY: item.id}
    return {"id": number, "data": data, "annotations": annotations, "predictions": predictions}


def labeling_config(settings: Settings) -> str:
    """Return the labeling configuration that fits the written tasks.

    Reference: https://labelstud.io/guide/setup.html
    """
    choices = "\n".join(f"    <Choice value={quoteattr(label)}/>" for label in settings.labels)
    name, text = quoteattr(settings.question), quoteattr(settings.text_field)
    return (
        f"<View>\n  <Text name={text} value={quoteattr('$' + settings.text_field)}/>\n"
        f'  <Choices name={name} toName={text} choice="single">\n{choices}\n  </Choices>\n</View>\n'
    )


def _annotation(
    label: str | None, settings: Settings, identity: list[Any], *, is_gold: bool = False
) -> dict[str, Any]:
    return {
        "result": [] if label is None else [_result(label, settings, identity)],
        "was_cancelled": label is None,
        "ground_truth": is_gold,
    }


def _result(label: str, settings: Settings, identity: list[Any]) -> dict[str, Any]:
    return {
        "id": short(fingerprint(*identity)),
        "from_name": settings.question,
        "to_name": settings.text_field,
        "type": "choices",
        "value": {"choices": [label]},
    }


def _by(rater: str | None) -> dict[str, Any]:
    if rater is None:
        return {}
    is_number = rater.isascii() and rater.isdecimal() and str(int(rater)) == rater
    return {"completed_by": int(rater) if is_number else {"email": rater}}


def _times(at: str | None) -> dict[str, str]:
    return {} if at is None else {"created_at": at, "updated_at": at}


def _rater(value: Any, where: str) -> str:
    """Return a user's name: the address where it is known; empty where user details were removed."""
    if isinstance(value, dict):
        value = value.get("email") or value.get("id")
    if value is None:
        return ""
    if isinstance(value, bool) or not isinstance(value, int | str):
        raise DataError(f"{value!r} names no rater", where=f"{where}, field completed_by")
    return str(value).strip()


def _objects(holder: Mapping[str, Any], name: str, where: str) -> list[dict[str, Any]]:
    entries = _list(holder, name, where)
    if not all(isinstance(entry, dict) for entry in entries):
        raise DataError("a list of objects was expected", where=f"{where}, field {name}")
    return entries


def _list(holder: Mapping[str, Any], name: str, where: str) -> list[Any]:
    value = holder.get(name)
    if value is None:
        return []
    if not isinstance(value, list):
        raise DataError("a list of objects was expected", where=f"{where}, field {name}")
    return value


def _results_of(task: Any) -> Iterator[dict[str, Any]]:
    """Yield whatever looks like a result; what does not is refused when items are read."""
    for name in ("annotations", "predictions"):
        answers = task.get(name) if isinstance(task, dict) else None
        for answer in answers if isinstance(answers, list) else ():
            results = answer.get("result") if isinstance(answer, dict) else None
            yield from (r for r in results if isinstance(r, dict)) if isinstance(results, list) else ()


def _is_answer(result: Mapping[str, Any]) -> bool:
    return result.get("type") in ("choices", "rating")


def _text(value: Any) -> str:
    return str(int(value)) if isinstance(value, float) and value.is_integer() else str(value)
