"""From words with tags to examples with a label on each word's token."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Literal

import numpy as np

from luthier.core.errors import DataError
from luthier.data.encode import KINDS, TooLong, reject
from luthier.data.example import Example, Rejection
from luthier.data.sample import Sample
from luthier.data.tagging.schemes import Scheme, broken_tags
from luthier.data.tagging.tag_set import InvalidTags, TagSet, find_tags, whole_tags
from luthier.data.tagging.words import LabelOn, WordTokenizer, labels_of


class TagEncoder:
    """Encodes rows of words with tags; a row that is too long makes several examples, divided between words.

    Args:
        tokenizer: Of the base.
        scheme: That the tags follow; ``auto`` tells it from the training rows.
        invalid_tags: What becomes of rows whose tags break it.
        label_on: Which tokens of a word carry its tag.
        max_length: Longest example in tokens.
        too_long: ``truncate`` divides longer rows; see the recipe's ``data.too_long``.
    """

    def __init__(
        self,
        tokenizer: Any,
        *,
        scheme: Scheme | Literal["auto"],
        invalid_tags: InvalidTags,
        label_on: LabelOn,
        max_length: int,
        too_long: TooLong,
    ) -> None:
        self.words = WordTokenizer(tokenizer, max_length=max_length)
        self.label_on: LabelOn = label_on
        self.tags: TagSet | None = None
        self._scheme = scheme
        self._invalid_tags: InvalidTags = invalid_tags
        self._max_length = max_length
        self._too_long = too_long
        self._numbers: dict[str, int] = {}

    def learn(self, samples: Iterable[Sample]) -> dict[str, Any]:
        """Find the tags of the training rows; see `find_tags`."""
        found = find_tags(samples, scheme=self._scheme, invalid_tags=self._invalid_tags).as_json()
        self.recall(found)
        return found

    def recall(self, facts: Mapping[str, Any]) -> None:
        """Take up the tags that a data set was frozen with."""
        self.tags = TagSet.of_json(facts)
        self._numbers = {label: number for number, label in enumerate(self.tags.labels)}

    def trained_tags(self, sample: Sample) -> list[str]:
        """Return the tags of a row that could be encoded, as they are trained and measured."""
        assert self.tags is not None, "the tags are learnt first"
        tags = whole_tags(sample.tags, self.tags.scheme, self._invalid_tags)
        assert tags is not None, "such a row is left out"
        return tags

    def __call__(self, sample: Sample) -> list[Example] | Rejection:
        """Encode one row.

        Raises:
            DataError: The row is too long and the recipe says ``too_long: error``.
        """
        assert self.tags is not None, "the tags are learnt first"
        if not sample.tokens:
            detail = f"objective token_classification needs words with tags, this row is {KINDS[sample.kind]}"
            return reject(sample, "not_token_classification", detail)
        tags = whole_tags(sample.tags, self.tags.scheme, self._invalid_tags)
        if tags is None:
            return reject(sample, "broken_tags", next(broken_tags(sample.tags, self.tags.scheme)).detail)
        unknown = next((n for n, tag in enumerate(tags) if tag not in self._numbers), None)
        if unknown is not None:
            detail = f"{tags[unknown]!r} at word {unknown + 1} is no tag of the training rows"
            return reject(sample, "unknown_tag", detail)
        try:
            windows, num_cut = self.words.windows(sample.tokens)
        except DataError as error:
            return reject(sample, "word_without_token", error.problem)
        if (len(windows) > 1 or num_cut) and self._too_long != "truncate":
            detail = f"the row needs {len(windows)} windows of data.max_length, {self._max_length} tokens"
            if self._too_long == "drop":
                return reject(sample, "too_long", detail)
            cure = (
                "raise data.max_length, or set data.too_long: truncate (divides rows between words) or drop"
            )
            raise DataError(detail, where=sample.place, cure=cure)
        return [
            Example(
                np.asarray(window.input_ids, dtype=np.int32),
                np.asarray(labels_of(window, tags, self._numbers, self.label_on), dtype=np.int32),
                sample.source,
                sample.row,
                num_truncated=num_cut if window is windows[0] else 0,
                weight=sample.weight,
                target="token",
                task=sample.task,
            )
            for window in windows
        ]
