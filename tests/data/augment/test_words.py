"""EDA's operations: as many words as the rate says, no negation, and nothing but the choice of the seed."""

from collections import Counter
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from luthier.data.augment.deletion import Deletion
from luthier.data.augment.function_words import is_content, is_negation
from luthier.data.augment.homophones import Homophones
from luthier.data.augment.insertion import Insertion
from luthier.data.augment.masking import Masking
from luthier.data.augment.ocr_noise import OcrNoise
from luthier.data.augment.segment import edit_text, pieces_of
from luthier.data.augment.swap import Swap
from luthier.data.augment.synonym_lists import SynonymList
from luthier.data.augment.synonyms import Synonyms
from luthier.data.augment.thesaurus import Thesaurus
from luthier.data.augment.typing_noise import TypingNoise

ENGLISH = SynonymList([["big", "large", "huge"], ["card", "ticket"], ["lost", "missing"]])
CHINESE = SynonymList([["开心", "高兴", "快乐"], ["商店", "店铺"]])
THESAURUS = Thesaurus(lambda: ENGLISH.synonyms, lambda: CHINESE.synonyms)

TEXT = "I have never lost the big card of our bank for two weeks and it still does not work at any shop in this town"
ZH = "我从来没有丢过银行卡，今天很开心，但是商店不能用这张卡付款"
OPERATIONS = [
    Synonyms(THESAURUS, 0.1),
    Insertion(THESAURUS, 0.1),
    Deletion(0.1),
    Swap(0.1),
    Masking(0.1),
    TypingNoise(0.1),
    OcrNoise(0.1),
    Homophones(0.1),
]


def words(text):
    return [piece.text for piece in pieces_of(text) if piece.is_word]


@pytest.mark.parametrize("operation", OPERATIONS, ids=lambda o: o.kind)
@pytest.mark.parametrize("text", [TEXT, ZH], ids=["en", "zh"])
def test_seeded_changed_and_negations_stay(operation, text):
    results = {edit_text(text, operation, Random(seed))[0] for seed in range(20)}
    assert edit_text(text, operation, Random(3))[0] == edit_text(text, operation, Random(3))[0]
    assert len(results) > 1
    negations = ("never", "not") if text is TEXT else ("没有", "不能")
    for result in results:
        assert result != text
        assert all(negation in result for negation in negations)


@pytest.mark.parametrize("rate", [0.1, 0.3, 0.5])
def test_deletion_deletes_the_share_that_is_asked_for(rate):
    count = len(words(TEXT))
    left = words(edit_text(TEXT, Deletion(rate), Random(0))[0])
    assert len(left) == count - round(rate * count)


def test_deletion_leaves_the_last_word():
    assert edit_text("Help", Deletion(0.9), Random(0))[0] == "Help"
    assert len(words(edit_text("Help me", Deletion(0.9), Random(0))[0])) == 1


@given(st.integers(0, 1000), st.floats(0.05, 0.9))
def test_swap_keeps_every_word(seed, rate):
    swapped = edit_text(TEXT, Swap(rate), Random(seed))[0]
    assert swapped != TEXT
    assert Counter(words(swapped)) == Counter(words(TEXT))


def test_synonyms_come_from_the_list_and_keep_capitals():
    assert edit_text("BIG problems", Synonyms(THESAURUS), Random(0))[0] in ("LARGE problems", "HUGE problems")
    assert edit_text("Lost it", Synonyms(THESAURUS), Random(0))[0] == "Missing it"
    assert edit_text("今天开心", Synonyms(THESAURUS), Random(0))[0] in ("今天高兴", "今天快乐")
    assert edit_text("nothing here", Synonyms(THESAURUS), Random(0))[0] == "nothing here"


def test_insertion_inserts_a_synonym_and_deletes_nothing():
    before, after = words("my big bank"), words(edit_text("my big bank", Insertion(THESAURUS), Random(1))[0])
    extra = Counter(after) - Counter(before)
    assert not Counter(before) - Counter(after)
    assert list(extra) in (["large"], ["huge"])


def test_only_the_language_of_the_text_is_loaded():
    def fails():
        raise AssertionError("loaded")

    english_only = Thesaurus(lambda: ENGLISH.synonyms, fails)
    assert edit_text("my card at 银行", Synonyms(english_only), Random(0))[0] == "my ticket at 银行"
    with pytest.raises(AssertionError, match="loaded"):
        edit_text("我很开心", Synonyms(english_only), Random(0))


def test_masking_puts_the_mark():
    assert edit_text("help", Masking(0.1, "___"), Random(0))[0] == "___"
    masked = edit_text(TEXT, Masking(0.3), Random(0))[0]
    assert masked.count("[MASK]") == round(0.3 * len(words(TEXT)))


@pytest.mark.parametrize(
    "word", ["not", "Never", "don't", "can\u2019t", "cannot", "不", "没有", "不屑", "无聊", "未婚"]
)
def test_what_turns_a_meaning_round(word):
    assert is_negation(word)
    assert not is_content(word)


@pytest.mark.parametrize("word", ["", "note", "card", "非常", "别人", "不过", "未来", "银行"])
def test_what_does_not(word):
    assert not is_negation(word)
