"""What is looked at in a sample: its texts, its label, its groups and the attributes as they compare."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from urllib.parse import urlsplit

from luthier.data.sample import Sample

AGE_BINS = (18, 25, 35, 45, 55, 65)
"""First years of the age groups of most surveys."""
LENGTH_BINS = (10, 20, 50, 100, 200, 500, 1000, 2000, 5000, 10_000, 20_000, 50_000, 100_000)
_AGES = ("age", "年龄", "年齡")

_NUMBER = re.compile(r"-?[0-9.]+(?:e[+-]?[0-9]+)?")
_RANGE = re.compile(
    rf"under {_NUMBER.pattern}|{_NUMBER.pattern}(?:–| to ){_NUMBER.pattern}|{_NUMBER.pattern} and over"
)

Bins = Mapping[str, Sequence[float]]
"""Edges by attribute: its numbers are looked at in ranges."""


def texts_of(sample: Sample) -> dict[str, str]:
    """Return the texts of a sample by what they are."""
    if sample.kind == "conversation":
        spoken = [(m.role == "assistant", m.content) for m in sample.messages]
        return {
            "prompt": "\n".join(text for is_answer, text in spoken if not is_answer),
            "answer": "\n".join(text for is_answer, text in spoken if is_answer),
        }
    if sample.kind == "question_answering":
        answer = sample.answers[0].text if sample.answers else ""
        return {"context": sample.context or "", "question": sample.question or "", "answer": answer}
    if sample.kind == "token_classification":
        return {"text": " ".join(sample.tokens)}
    texts = {"text": sample.text or ""}
    return texts if sample.text_pair is None else {**texts, "text_pair": sample.text_pair}


def classes_of(sample: Sample) -> Sequence[str]:
    """Return the classes of a sample, for the count of classes; of tags, one per mention of an entity."""
    if sample.labels is not None:
        return sample.labels
    if sample.kind == "token_classification":
        return [tag.partition("-")[2] or tag for tag in _first_tags(sample.tags)]
    return []


def label_of(sample: Sample) -> str | None:
    """Return the one value that stands for the target of a sample, to be compared with its groups."""
    if sample.labels is not None:
        return "+".join(sorted(sample.labels)) or "(no label)"
    if sample.kind == "token_classification":
        return "+".join(sorted(set(classes_of(sample)))) or "(no entity)"
    if sample.kind == "question_answering":
        return "answerable" if sample.answers else "unanswerable"
    return None


def attributes_of(sample: Sample, bins: Bins) -> dict[str, str]:
    """Return the attributes of a sample as they are counted: numbers in ranges, addresses by their host."""
    return {name: _counted_as(name, value, bins) for name, value in sample.attributes.items()}


def _counted_as(name: str, value: str, bins: Bins) -> str:
    edges = bins.get(name) or (AGE_BINS if name.strip().lower() in _AGES else None)
    if edges is not None:
        try:
            return range_of(float(value), edges)
        except ValueError:
            return value
    if value.startswith(("http://", "https://")):
        return urlsplit(value).hostname or value
    return value


def range_of(value: float, edges: Sequence[float]) -> str:
    """Return the name of the range that a number is in: ``under 18``, ``18–24``, ``65 and over``."""
    if value < edges[0]:
        return f"under {edges[0]:g}"
    for low, high in zip(edges, edges[1:], strict=False):
        if value < high:
            is_whole = low == int(low) and high == int(high)
            return f"{low:g}–{high - 1:g}" if is_whole else f"{low:g} to {high:g}"
    return f"{edges[-1]:g} and over"


def in_order(names: Iterable[str]) -> list[str]:
    """Return the names of ranges by their numbers; other names as they come."""
    listed = list(names)
    numbers = [_RANGE.fullmatch(name) for name in listed]
    if not all(numbers):
        return listed
    return sorted(listed, key=lambda name: (not name.startswith("under"), _first_number(name)))


def _first_number(name: str) -> float:
    found = _NUMBER.search(name)
    return float(found[0]) if found else 0.0


def _first_tags(tags: Sequence[str]) -> list[str]:
    """Return the first tag of each mention: of IOB1, IOB2, BIOES; tags without a scheme one by one."""
    firsts = []
    before = "O"
    for tag in tags:
        prefix, _, kind = tag.partition("-")
        is_inside = prefix in ("I", "E") and before.partition("-")[2] == kind and before[:1] not in ("E", "S")
        if tag != "O" and not is_inside:
            firsts.append(tag)
        before = tag
    return firsts
