"""Tags of a data set: found in the training rows, made whole by their scheme; and each word's most frequent tag."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal

from luthier.core.errors import DataError
from luthier.data.sample import Sample
from luthier.data.tagging.schemes import (
    OUTSIDE,
    Scheme,
    broken_tags,
    detect_scheme,
    repaired,
    split_tag,
    tags_of_type,
)

InvalidTags = Literal["reject", "repair"]
"""What becomes of a row whose tags break their scheme."""

_LISTED = 5


@dataclass(frozen=True)
class TagSet:
    """The tags, in the order of the model's outputs.

    Args:
        labels: Their names: ``O`` first, then by type.
        counts: Training words of each; 0 for one that only the scheme demands.
        scheme: That they follow.
        default: The most frequent tag.
        lexicon: The most frequent tag of each training word that has another one.
    """

    labels: tuple[str, ...]
    counts: tuple[int, ...]
    scheme: Scheme
    default: str
    lexicon: Mapping[str, str]

    @property
    def types(self) -> tuple[str, ...]:
        """Types of entities, or all tags but ``O`` where they follow no scheme."""
        marked = [label for label in self.labels if label != OUTSIDE]
        return tuple(
            marked if self.scheme == "none" else dict.fromkeys(split_tag(label)[1] for label in marked)
        )

    def as_json(self) -> dict[str, Any]:
        """Return what `of_json` reads."""
        return {**asdict(self), "labels": list(self.labels), "counts": list(self.counts)}

    @classmethod
    def of_json(cls, facts: Mapping[str, Any]) -> TagSet:
        """Return the tags that a data set was frozen with."""
        return cls(**{**facts, "labels": tuple(facts["labels"]), "counts": tuple(facts["counts"])})


def find_tags(
    samples: Iterable[Sample], *, scheme: Scheme | Literal["auto"], invalid_tags: InvalidTags
) -> TagSet:
    """Find the tags of the training rows.

    A type that occurs has all tags of its scheme: a model that knows ``B-person`` also knows ``I-person``.

    Args:
        samples: Training rows; those of another kind are counted elsewhere.
        scheme: That the tags follow; ``auto`` tells it from them.
        invalid_tags: What becomes of rows whose tags break it.

    Raises:
        DataError: No row has tags, there is only one, or the scheme cannot be told.
    """
    rows = [(sample.tokens, sample.tags) for sample in samples if sample.tokens and sample.tags]
    known = scheme if scheme != "auto" else _told_scheme({tag for _, tags in rows for tag in tags})
    kept = [
        (words, whole) for words, tags in rows if (whole := whole_tags(tags, known, invalid_tags)) is not None
    ]
    counts = Counter(tag for _, tags in kept for tag in tags)
    if not counts:
        raise DataError(
            "no training row has tags" if not rows else f"no training row has tags that follow {known}",
            where="data.train",
            cure="`luthier data inspect FILE` shows the rows; data.train[].columns: {tags: COLUMN} names theirs",
        )
    labels = _ordered(counts, known)
    if len(labels) < 2:
        raise DataError(
            f"all training words have the tag {labels[0]!r}: there is nothing to tell apart",
            where="data.train",
            cure="add rows with other tags",
        )
    default = max(sorted(counts), key=counts.__getitem__)
    return TagSet(labels, tuple(counts[label] for label in labels), known, default, _lexicon(kept, default))


def whole_tags(tags: Sequence[str], scheme: Scheme, invalid_tags: InvalidTags) -> list[str] | None:
    """Return the tags of a row as they are trained; None where they break their scheme and are not to be repaired."""
    if not any(True for _ in broken_tags(tags, scheme)):
        return list(tags)
    return repaired(tags, scheme) if invalid_tags == "repair" else None


def _told_scheme(tags: set[str]) -> Scheme:
    scheme = detect_scheme(tags)
    plain = sorted(tag for tag in tags - {OUTSIDE} if not split_tag(tag)[0])
    marked = sorted(tag for tag in tags - {OUTSIDE} if split_tag(tag)[0])
    if scheme == "none" and marked:
        what = f"some tags have no prefix ({', '.join(plain[:_LISTED])})" if plain else "they mix schemes"
        raise DataError(
            f"the tags follow no known scheme: {', '.join(marked[:_LISTED])} mark entities, but {what}",
            where="data.train",
            cure="objective.scheme: none makes each tag a class of its own; IOB2, BIOES, BILOU or BMES leave rows with "
            "other tags out",
        )
    return scheme


def _ordered(counts: Mapping[str, int], scheme: Scheme) -> tuple[str, ...]:
    if scheme == "none":
        return (*([OUTSIDE] if OUTSIDE in counts else []), *sorted(tag for tag in counts if tag != OUTSIDE))
    types = sorted({split_tag(tag)[1] for tag in counts if tag != OUTSIDE})
    return (OUTSIDE, *(tag for kind in types for tag in tags_of_type(kind, scheme)))


def _lexicon(rows: Iterable[tuple[Sequence[str], Sequence[str]]], default: str) -> dict[str, str]:
    """Return the most frequent tag of each word that has another than the default one."""
    of_word: defaultdict[str, Counter[str]] = defaultdict(Counter)
    for words, tags in rows:
        for word, tag in zip(words, tags, strict=True):
            of_word[word][tag] += 1
    most = {word: max(sorted(counts), key=counts.__getitem__) for word, counts in of_word.items()}
    return {word: tag for word, tag in sorted(most.items()) if tag != default}
