"""Group words are swapped whole, both ways, in their case, and in Chinese where they name a group only."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from luthier.evaluate.fairness.swap_words import WORDS, Swapper


@pytest.mark.parametrize(
    ("kind", "text", "expected"),
    [
        ("gender_en", "He said the men saw her.", "She said the women saw him."),
        ("gender_en", "She took her bag; the bag is hers.", "He took his bag; the bag is his."),
        ("gender_en", "I gave him his coat. It is his.", "I gave her her coat. It is hers."),
        ("gender_en", "MEN and Women, the other there", "WOMEN and Men, the other there"),
        ("gender_en", "Mankind, manners, shepherd, hero", "Mankind, manners, shepherd, hero"),
        ("gender_zh", "他和其他女人说话", "她和其他男人说话"),
        ("gender_zh", "他们的女儿是女医生，妇女节", "她们的儿子是男医生，妇女节"),
        ("race_en", "Black people and a black car", "White people and a black car"),
        ("race_zh", "黑人和白人", "白人和黑人"),
        ("religion_en", "Muslims at the mosque", "Christians at the church"),
        ("region_zh", "河南人在上海", "浙江人在安徽"),
    ],
)
def test_known_texts(kind: str, text: str, expected: str) -> None:
    assert Swapper(kind)(text).text == expected


def test_which_way() -> None:
    swapper = Swapper("gender_en")
    found = swapper("He told his wife")
    assert (found.num_first, found.num_second) == (2, 1)
    assert swapper("The dog").num_first == 0


def test_own_pairs_beside_or_without_a_kind() -> None:
    assert (
        Swapper(None, [("Anna", "Paul"), ("河", "海")])("anna und Paul, Annabel 河").text
        == "Paul und Anna, Annabel 海"
    )


@given(st.lists(st.sampled_from([word for pair in WORDS["religion_en"][:6] for word in pair]), max_size=8))
def test_swapping_twice_is_nothing(words: list[str]) -> None:
    text = " and ".join(words)
    swapper = Swapper("religion_en")
    assert swapper(swapper(text).text).text == text
