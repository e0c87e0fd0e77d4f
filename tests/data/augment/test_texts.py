"""Operations on whole texts: phrases around them, sentences in another order, other words by an engine or a model."""

import stat
from collections import Counter
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from luthier.core.errors import DataError, MissingDependencyError
from luthier.data.augment.affix import Affix
from luthier.data.augment.answers import bare_answer
from luthier.data.augment.apertium import Apertium
from luthier.data.augment.back_translation import BackTranslation, ChatTranslator
from luthier.data.augment.paraphrase import Paraphrase
from luthier.data.augment.sentence_order import SentenceOrder, sentences_of


def once(operation, text, seed=0):
    (result,) = operation.rewrite([text], [Random(seed)])
    return result


def test_affixes_speak_the_language_of_the_text():
    assert once(Affix("prefix"), "where is my card").endswith(" where is my card")
    assert once(Affix("prefix"), "我的卡在哪里").endswith("，我的卡在哪里")
    assert once(Affix("suffix", ["Thanks."]), "where is my card") == "where is my card. Thanks."
    assert once(Affix("suffix", ["Thanks."]), "where is my card? ") == "where is my card? Thanks."
    assert once(Affix("suffix", ["谢谢。"]), "我的卡在哪里") == "我的卡在哪里。谢谢。"
    assert {once(Affix("prefix", ["A:", "B:"]), "x", seed) for seed in range(9)} == {"A: x", "B: x"}


@given(st.text(st.sampled_from("ab .!?。！？；\n”Mr1卡"), max_size=60))
def test_sentences_make_the_text_again_and_none_is_lost(text):
    assert "".join(sentences_of(text)) == text
    shuffled = once(SentenceOrder(), text)
    assert Counter("".join(shuffled.split())) == Counter("".join(text.split()))


def test_sentences_change_places_and_white_space_stays():
    assert sentences_of("Dr. Li paid 2.5 dollars. It failed!\nWhy?") == [
        "Dr. Li paid 2.5 dollars. ",
        "It failed!\n",
        "Why?",
    ]
    assert once(SentenceOrder(), "卡丢了。怎么办？") == "怎么办？卡丢了。"
    assert once(SentenceOrder(), "One.\n\nTwo.") == "Two.\n\nOne."
    assert once(SentenceOrder(), "Only one.") == "Only one."


class Upper:
    """A translator that notes what it is asked."""

    def __init__(self):
        self.asked = []

    def translate(self, texts, source, target, seeds):
        self.asked.append((source, target, tuple(texts)))
        return [text.upper() if "drop" not in text else "" for text in texts]


def test_back_translation_goes_there_and_back_in_each_language():
    engine = Upper()
    texts = ["my card", "我的卡", "drop me"]
    assert BackTranslation(engine, "fra").rewrite(texts, [Random(0)] * 3) == ["MY CARD", "我的卡", "drop me"]
    assert [asked[:2] for asked in engine.asked] == [
        ("eng", "fra"), ("fra", "eng"), ("zho", "fra"), ("fra", "zho"),
    ]  # fmt: skip


def test_a_translation_that_fails_half_way_is_none():
    class Halfway:
        def translate(self, texts, source, target, seeds):
            return [""] if target == "spa" else ["made up"]

    assert once(BackTranslation(Halfway()), "my card") == "my card"


def test_a_chat_model_translates_and_paraphrases():
    prompts = []

    def write(asked, seeds):
        prompts.extend(asked)
        assert len(seeds) == len(asked)
        return [f'Sure, here is it: "{text.splitlines()[-1]} indeed"' for text in asked]

    assert ChatTranslator(write).translate(["my card"], "eng", "spa", [1]) == ["my card indeed"]
    assert "English to Spanish" in prompts[0]
    assert once(Paraphrase(write), "my card") == "my card indeed"
    assert once(Paraphrase(write), "我的卡") == "我的卡 indeed"
    assert "改写" in prompts[2]
    assert once(Paraphrase(write, "Say anew: {text}"), "x") == "Say anew: x indeed"
    assert once(Paraphrase(lambda asked, seeds: [" "]), "stays") == "stays"


def test_what_a_model_says_around_its_answer_is_dropped():
    assert bare_answer("Here is a rewrite:\nWhere is it?\n\nI hope this helps!", "x") == "Where is it?"
    assert bare_answer("One.\n\nTwo.\n\nBye!", "a\n\nb") == "One.\n\nTwo."
    assert bare_answer("“卡在哪里？”", "x") == "卡在哪里？"
    assert bare_answer('"A" or "B"', "x") == '"A" or "B"'


def fake_apertium(folder, body):
    path = folder / "apertium"
    path.write_text(
        f'#!/bin/sh\nif [ "$1" = -l ]; then echo "  eng-spa"; echo "  spa-eng"; exit; fi\n{body}\n'
    )
    path.chmod(path.stat().st_mode | stat.S_IXUSR)
    return Apertium(str(path))


def test_apertium_takes_all_texts_in_one_call_and_keeps_lines(tmp_path):
    engine = fake_apertium(tmp_path, f"echo >> {tmp_path}/calls; sed 's/o/0/g'")
    assert engine.translate(["one\n\ntwo", "", "three  oo"], "eng", "spa", [0, 0, 0]) == [
        "0ne\n\ntw0",
        "",
        "three 00",
    ]
    assert (tmp_path / "calls").read_text() == "\n"


def test_apertium_says_what_is_absent(tmp_path):
    with pytest.raises(MissingDependencyError, match=r"(?s)no-such-program.*apertium-eng-spa"):
        Apertium("no-such-program").translate(["a"], "eng", "spa", [0])
    engine = fake_apertium(tmp_path, "head -1")
    with pytest.raises(MissingDependencyError, match=r"(?s)no pair zho-spa; installed are eng-spa, spa-eng"):
        engine.translate(["a"], "zho", "spa", [0])
    with pytest.raises(DataError, match="1 lines came back for 2"):
        engine.translate(["a", "b"], "eng", "spa", [0, 0])


def test_apertium_itself():
    engine = Apertium()
    try:
        there = engine.translate(["The house is big.", "I lost my card"], "eng", "spa", [0, 0])
    except MissingDependencyError as error:
        pytest.skip(error.problem)
    assert there[0] == "La casa es grande."
    assert BackTranslation(engine).rewrite(["The house is big."], [Random(0)]) == ["The house is big."]
