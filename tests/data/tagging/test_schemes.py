"""Schemes: entities are those of seqeval, broken tags are named, writing and reading are inverse."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from seqeval.metrics.sequence_labeling import get_entities
from seqeval.scheme import BILOU, IOB2, IOBES, Entities

from luthier.data.tagging.schemes import (
    Entity,
    Scheme,
    broken_tags,
    detect_scheme,
    entities_of,
    repaired,
    split_tag,
    write_tags,
)

TYPES = ("person", "creative-work")
IOB2_TAGS = ["O", *(f"{prefix}-{kind}" for prefix in "BI" for kind in TYPES)]
BIOES_TAGS = ["O", *(f"{prefix}-{kind}" for prefix in "BIES" for kind in TYPES)]


def seqeval_lenient(tags: list[str]) -> list[Entity]:
    return [Entity(kind, start, end + 1) for kind, start, end in get_entities(tags)]


@given(st.lists(st.sampled_from(BIOES_TAGS), max_size=12))
def test_any_tags_are_read_as_seqeval_reads_them(tags: list[str]) -> None:
    """Reference: seqeval 1.2.2, its default mode, which follows conlleval."""
    assert entities_of(tags) == seqeval_lenient(tags)


@pytest.mark.parametrize(("scheme", "theirs"), [("IOB2", IOB2), ("BIOES", IOBES), ("BILOU", BILOU)])
def test_whole_tags_are_read_as_seqeval_reads_them_strictly(scheme: Scheme, theirs: type) -> None:
    """Reference: seqeval 1.2.2, its strict mode."""
    entities = [Entity("person", 0, 1), Entity("person", 1, 4), Entity("creative-work", 5, 7)]
    tags = write_tags(entities, 8, scheme)
    strict = [Entity(e.tag, e.start, e.end) for e in Entities([tags], theirs).entities[0]]
    assert entities_of(tags) == strict == entities
    assert not list(broken_tags(tags, scheme))


def test_conlleval_example() -> None:
    """Two entities of one type side by side, and an I that begins one: CoNLL-2003's and CoNLL-2000's cases."""
    assert entities_of(["B-LOC", "B-LOC", "I-LOC", "O", "I-PER", "I-LOC"]) == [
        ("LOC", 0, 1),
        ("LOC", 1, 3),
        ("PER", 4, 5),
        ("LOC", 5, 6),
    ]


@pytest.mark.parametrize(
    ("tags", "scheme"),
    [
        (IOB2_TAGS, "IOB2"),
        (["O", "I-x"], "IOB2"),
        (BIOES_TAGS, "BIOES"),
        (["O", "B-x", "I-x", "L-x", "U-x"], "BILOU"),
        (["O", "B-x", "M-x", "E-x", "S-x"], "BMES"),
        (["NN", "B-x", "O"], "none"),
        (["O"], "none"),
    ],
)
def test_scheme_is_told_from_tags(tags: list[str], scheme: str) -> None:
    assert detect_scheme(tags) == scheme


def test_type_may_hold_dashes() -> None:
    assert split_tag("B-creative-work") == ("B", "creative-work")
    assert split_tag("WRB-x") == ("", "WRB-x")


@pytest.mark.parametrize(
    ("tags", "scheme", "word", "what"),
    [
        (["O", "I-x"], "IOB2", 1, "nothing begins"),
        (["B-y", "I-x"], "IOB2", 1, "of type y"),
        (["B-x", "S-x"], "IOB2", 1, "no tag of IOB2"),
        (["B-x", "O"], "BIOES", 1, "without an end"),
        (["O", "B-x"], "BIOES", 1, "without an end"),
        (["S-x", "E-x"], "BIOES", 1, "nothing begins"),
    ],
)
def test_broken_tags_are_named(tags: list[str], scheme: Scheme, word: int, what: str) -> None:
    (broken,) = broken_tags(tags, scheme)
    assert broken.word == word and what in broken.detail


@given(st.lists(st.sampled_from(BIOES_TAGS), max_size=12), st.sampled_from(["IOB2", "BIOES", "BMES"]))
def test_repaired_tags_mark_the_same_entities_and_are_whole(tags: list[str], scheme: Scheme) -> None:
    mended = repaired(tags, scheme)
    assert entities_of(mended) == entities_of(tags) and not list(broken_tags(mended, scheme))


def test_plain_tags_are_entities_of_one_word_and_never_broken() -> None:
    assert entities_of(["NN", "NN", "O"]) == [("NN", 0, 1), ("NN", 1, 2)]
    assert not list(broken_tags(["NN", "VB"], "none")) and repaired(["NN"], "none") == ["NN"]
