"""Profiler: takes samples one by one, and counts all that a profile tells, in bounded memory."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import combinations
from typing import Any

from luthier.data.example import Rejection
from luthier.data.profile.categories import Categories
from luthier.data.profile.columns import Columns
from luthier.data.profile.features import (
    LENGTH_BINS,
    Bins,
    attributes_of,
    classes_of,
    label_of,
    range_of,
    texts_of,
)
from luthier.data.profile.histogram import Histogram
from luthier.data.profile.repeats import Repeats
from luthier.data.profile.tokens import Tokens
from luthier.data.sample import Sample

_CHUNK = 256
_MOST_CELLS = 20_000
_OWN_COLUMNS = ("label", "group", "task", "language", "length")


@dataclass
class Part:
    """Counts of one file.

    Args:
        name: Of the file.
        rows: Samples.
        left_out: Rows that are none, by reason.
        kinds: What the samples are.
        classes: Labels, or mentions of entities.
        columns: Values by column: label, group, task, language, length, and each attribute.
        lengths: Characters, by text.
        tokens: Tokens of a row, all texts together.
        weights: Rows of each weight.
    """

    name: str
    rows: int = 0
    left_out: Counter[str] = field(default_factory=Counter)
    kinds: Counter[str] = field(default_factory=Counter)
    classes: Categories = field(default_factory=Categories)
    columns: dict[str, Categories] = field(default_factory=dict)
    lengths: dict[str, Histogram] = field(default_factory=dict)
    tokens: Histogram = field(default_factory=Histogram)
    weights: Categories = field(default_factory=Categories)

    def merge(self, other: Part) -> None:
        """Count all that another part has counted."""
        self.rows += other.rows
        self.left_out.update(other.left_out)
        self.kinds.update(other.kinds)
        self.classes.merge(other.classes)
        self.tokens.merge(other.tokens)
        self.weights.merge(other.weights)
        for name, values in other.columns.items():
            self.columns.setdefault(name, Categories()).merge(values)
        for name, lengths in other.lengths.items():
            self.lengths.setdefault(name, Histogram()).merge(lengths)


class Profiler:
    """Counts rows of one or more files, 18 bytes of memory a row.

    Args:
        bins: Edges of ranges, by attribute whose numbers are looked at in ranges.
        tokenizer: Of a base; None leaves tokens out.
        has_languages: Tell the language of each row.
    """

    def __init__(
        self, *, bins: Bins | None = None, tokenizer: Any = None, has_languages: bool = True
    ) -> None:
        self._bins: Bins = bins or {}
        self._has_languages = has_languages
        self.parts: list[Part] = []
        self.raw = Columns()
        self.repeats = Repeats()
        self.tokens = None if tokenizer is None else Tokens(tokenizer)
        self.pairs: dict[tuple[str, str], Counter[tuple[str, str]]] = {}
        self.pairs_too_large: set[tuple[str, str]] = set()
        self.examples: dict[str, str] = {}

    @property
    def total(self) -> Part:
        """All files together."""
        names = [part.name for part in self.parts]
        total = Part(names[0] if len(names) == 1 else f"{len(names)} files")
        for part in self.parts:
            total.merge(part)
        return total

    def read(self, name: str, rows: Iterable[Sample | Rejection]) -> Iterator[int]:
        """Count the rows of a file; yield how many are done, now and then."""
        part = Part(name)
        self.parts.append(part)
        waiting: list[Sample] = []
        done = 0
        for row in rows:
            done += 1
            if isinstance(row, Sample):
                waiting.append(row)
            else:
                part.left_out[row.reason] += 1
                self.examples.setdefault(row.reason, f"{row.place}: {row.detail}")
            if len(waiting) == _CHUNK:
                self._count(part, waiting)
                waiting = []
                yield done
        if waiting:
            self._count(part, waiting)
        yield done

    def _count(self, part: Part, samples: list[Sample]) -> None:
        texts = [texts_of(sample) for sample in samples]
        whole = ["\n".join(filter(None, each.values())) for each in texts]
        languages = self._languages(whole)
        if self.tokens is not None:
            for length in self.tokens.add(whole, languages):
                part.tokens.add(length)
        for sample, named, text, language in zip(samples, texts, whole, languages, strict=True):
            part.rows += 1
            part.kinds[sample.kind] += 1
            part.weights.add(f"{sample.weight:.6g}")
            for label in classes_of(sample):
                part.classes.add(label)
            for name, one in named.items():
                part.lengths.setdefault(name, Histogram()).add(len(one))
            self.repeats.add(sample, len(self.parts) - 1)
            self._count_columns(part, self._values(sample, text, language))

    def _languages(self, texts: list[str]) -> list[str]:
        if not self._has_languages:
            return ["all"] * len(texts)
        from luthier.data.clean.language import language_of

        return [language_of(text)[0] for text in texts]

    def _values(self, sample: Sample, text: str, language: str) -> dict[str, str]:
        own = {
            "label": label_of(sample),
            "group": sample.group,
            "task": sample.task,
            "language": language if self._has_languages else None,
            "length": range_of(len(text), LENGTH_BINS),
        }
        values = {name: value for name, value in own.items() if value is not None}
        for name, value in attributes_of(sample, self._bins).items():
            values[f"{name} (attribute)" if name in _OWN_COLUMNS else name] = value
        return values

    def _count_columns(self, part: Part, values: Mapping[str, str]) -> None:
        counted = {
            name: part.columns.setdefault(name, Categories()).add(value) for name, value in values.items()
        }
        for pair in combinations(counted, 2):
            if pair in self.pairs_too_large:
                continue
            table = self.pairs.setdefault(pair, Counter())
            table[counted[pair[0]], counted[pair[1]]] += 1
            if len(table) > _MOST_CELLS:
                self.pairs_too_large.add(pair)
                del self.pairs[pair]
