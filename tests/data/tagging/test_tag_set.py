"""Tags of a data set: whole by their scheme, counted, and each word's most frequent tag."""

from __future__ import annotations

import pytest

from luthier.core.errors import DataError
from luthier.data.sample import Sample
from luthier.data.tagging.tag_set import TagSet, find_tags


def samples(*rows: str) -> list[Sample]:
    """A sample per row of ``word/tag`` pairs."""
    made = []
    for number, row in enumerate(rows, 1):
        words, tags = zip(*(pair.rsplit("/", 1) for pair in row.split()), strict=True)
        made.append(Sample("t.conll", number, tokens=words, tags=tags))
    return made


def test_types_have_all_tags_of_their_scheme() -> None:
    found = find_tags(
        samples("Paris/B-loc is/O big/O", "Ann/B-per went/O"), scheme="auto", invalid_tags="reject"
    )
    assert found.labels == ("O", "B-loc", "I-loc", "B-per", "I-per")
    assert found.counts == (3, 1, 0, 1, 0) and found.scheme == "IOB2" and found.types == ("loc", "per")
    assert TagSet.of_json(found.as_json()) == found


def test_words_know_their_most_frequent_tag() -> None:
    rows = samples("Paris/B-loc sleeps/O", "Paris/B-per sleeps/O", "Paris/B-per Hilton/I-per sleeps/O")
    found = find_tags(rows, scheme="auto", invalid_tags="reject")
    assert found.default == "O" and found.lexicon == {"Hilton": "I-per", "Paris": "B-per"}


def test_broken_rows_are_left_out_or_repaired() -> None:
    rows = samples("in/O Paris/I-loc", "Ann/B-per sees/O")
    assert find_tags(rows, scheme="auto", invalid_tags="reject").types == ("per",)
    repaired = find_tags(rows, scheme="auto", invalid_tags="repair")
    assert repaired.types == ("loc", "per") and repaired.lexicon["Paris"] == "B-loc"


def test_plain_tags_are_their_own_types() -> None:
    found = find_tags(samples("time/NN flies/VB", "O/O"), scheme="auto", invalid_tags="reject")
    assert found.labels == ("O", "NN", "VB") and found.types == ("NN", "VB") and found.scheme == "none"


def test_one_tag_without_prefix_is_not_taken_for_a_set_without_scheme() -> None:
    rows = samples("in/O Paris/B-loc", "Ann/person sees/O")
    with pytest.raises(DataError, match="some tags have no prefix .person."):
        find_tags(rows, scheme="auto", invalid_tags="reject")
    assert find_tags(rows, scheme="none", invalid_tags="reject").types == ("B-loc", "person")
    assert find_tags(rows, scheme="IOB2", invalid_tags="reject").types == ("loc",)


@pytest.mark.parametrize(
    ("rows", "problem"),
    [
        ([], "no training row has tags"),
        (["a/O b/O"], "nothing to tell apart"),
        (["a/I-x"], "that follow IOB2"),
    ],
)
def test_what_teaches_nothing_is_refused(rows: list[str], problem: str) -> None:
    with pytest.raises(DataError, match=problem):
        find_tags(samples(*rows), scheme="auto", invalid_tags="reject")
