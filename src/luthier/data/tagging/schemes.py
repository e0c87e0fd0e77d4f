"""Tag schemes: how the tags of words mark entities, and what breaks a scheme.

References: E. F. Tjong Kim Sang and J. Veenstra, Representing Text Chunks, 1999 (IOB2); L. Ratinov and D. Roth,
Design Challenges and Misconceptions in Named Entity Recognition, 2009 (BILOU; BIOES and BMES are other letters for it);
``conlleval`` of the CoNLL-2000 shared task, whose reading of broken sequences `entities_of` follows, as seqeval does.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple, get_args

Scheme = Literal["IOB2", "BIOES", "BILOU", "BMES", "none"]
"""What tags follow; ``none`` where each word has a class of its own, such as a part of speech."""

OUTSIDE = "O"

_LETTERS: dict[str, str] = {"IOB2": "BI", "BIOES": "BIES", "BILOU": "BILU", "BMES": "BMES"}
"""How each scheme writes the first word of an entity, one inside it, its last one, and one that stands alone."""

_MEANINGS = {"B": "B", "I": "I", "M": "I", "E": "E", "L": "E", "S": "S", "U": "S"}
_GOES_ON = frozenset("IE")
_IS_OPEN = frozenset("BI")


class Entity(NamedTuple):
    """A run of words that are one entity.

    Args:
        type: What it is, e.g. ``location``.
        start: Its first word, from 0.
        end: The word after its last.
    """

    type: str
    start: int
    end: int


@dataclass(frozen=True)
class BrokenTag:
    """A tag that its scheme does not allow where it stands.

    Args:
        word: Where it stands, from 0.
        detail: A sentence for a person.
    """

    word: int
    detail: str


def split_tag(tag: str) -> tuple[str, str]:
    """Return the prefix of a tag and its type: ``B-location`` is ``B`` and ``location``, ``O`` has no type."""
    if tag == OUTSIDE:
        return OUTSIDE, ""
    prefix, dash, kind = tag.partition("-")
    return (prefix, kind) if dash and prefix in _MEANINGS else ("", tag)


def detect_scheme(tags: Iterable[str]) -> Scheme:
    """Return the scheme that a set of tags follows: the first whose prefixes cover theirs.

    A set in which any tag but ``O`` has no prefix follows none.
    """
    prefixes = {split_tag(tag)[0] for tag in tags} - {OUTSIDE}
    for scheme in get_args(Scheme):
        if prefixes and prefixes <= set(_LETTERS.get(scheme, "")):
            found: Scheme = scheme
            return found
    return "none"


def entities_of(tags: Sequence[str], scheme: Scheme = "IOB2") -> list[Entity]:
    """Return the entities that tags mark, in their order; without a scheme, each word with another tag than ``O``.

    Broken sequences are read as ``conlleval`` and seqeval's default do: a word goes on with the entity before it if
    its tag has the same type and begins none itself; otherwise it begins one, whatever its prefix. The prefixes of
    all schemes are read alike.
    """
    if scheme == "none":
        return [Entity(tag, place, place + 1) for place, tag in enumerate(tags) if tag != OUTSIDE]
    entities: list[Entity] = []
    start: int | None = None
    before, kind = OUTSIDE, ""
    for place, tag in enumerate([*tags, OUTSIDE]):
        prefix, own = _read(tag)
        goes_on = start is not None and prefix in _GOES_ON and own == kind and before in _IS_OPEN
        if start is not None and not goes_on:
            entities.append(Entity(kind, start, place))
            start = None
        if start is None and prefix != OUTSIDE:
            start = place
        before, kind = prefix, own
    return entities


def broken_tags(tags: Sequence[str], scheme: Scheme) -> Iterator[BrokenTag]:
    """Yield the tags that their scheme does not allow where they stand, e.g. ``I-person`` after ``O``.

    Args:
        tags: Of one row.
        scheme: That they should follow; ``none`` allows everything.
    """
    if scheme == "none":
        return
    has_ends = scheme != "IOB2"
    before, kind = OUTSIDE, ""
    for place, tag in enumerate(tags):
        at = f"{tag} at word {place + 1}"
        prefix, own = _read(tag)
        if prefix != OUTSIDE and split_tag(tag)[0] not in set(_LETTERS[scheme]):
            yield BrokenTag(place, f"{at} is no tag of {scheme}")
        elif prefix in _GOES_ON and before not in _IS_OPEN:
            yield BrokenTag(place, f"{at} goes on with an entity that nothing begins")
        elif prefix in _GOES_ON and own != kind:
            yield BrokenTag(place, f"{at} goes on with an entity of type {kind}")
        elif has_ends and before in _IS_OPEN and prefix not in _GOES_ON:
            yield BrokenTag(place, f"{at} leaves the entity before it without an end")
        before, kind = prefix, own
    if has_ends and before in _IS_OPEN:
        yield BrokenTag(len(tags) - 1, f"{tags[-1]} at the last word leaves its entity without an end")


def write_tags(entities: Iterable[Entity], num_words: int, scheme: Scheme) -> list[str]:
    """Return the tags of ``num_words`` words in which entities stand; the inverse of `entities_of`.

    Args:
        entities: None of which overlaps another.
        num_words: Length of the row.
        scheme: Any but ``none``.
    """
    tags = [OUTSIDE] * num_words
    for kind, start, end in entities:
        first, inside, *ends = list(_LETTERS[scheme])
        prefixes = [first, *[inside] * (end - start - 1)]
        if ends:
            prefixes[-1] = ends[1] if end - start == 1 else ends[0]
        tags[start:end] = [f"{prefix}-{kind}" for prefix in prefixes]
    return tags


def tags_of_type(kind: str, scheme: Scheme) -> tuple[str, ...]:
    """Return all tags of a type of entity."""
    return tuple(f"{prefix}-{kind}" for prefix in _LETTERS[scheme])


def repaired(tags: Sequence[str], scheme: Scheme) -> list[str]:
    """Return tags that follow their scheme and mark the entities that `entities_of` reads in these."""
    return list(tags) if scheme == "none" else write_tags(entities_of(tags), len(tags), scheme)


def _read(tag: str) -> tuple[str, str]:
    """Return what the prefix of a tag means, in the letters of BIOES, and the type."""
    prefix, kind = split_tag(tag)
    return _MEANINGS.get(prefix, prefix), kind
