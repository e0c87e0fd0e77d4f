"""Noise is of the kind that people and machines make: keys that are neighbours, sounds and shapes that are alike."""

from random import Random

import pytest
from rapidfuzz.distance import DamerauLevenshtein

from luthier.data.augment.homophones import Homophones
from luthier.data.augment.ocr_noise import LOOKALIKES, OcrNoise
from luthier.data.augment.pinyin import _common_characters, alike, nearly_alike, sounds_of
from luthier.data.augment.segment import edit_text
from luthier.data.augment.typing_noise import NEIGHBOURS, TypingNoise

# A standard staggered QWERTY keyboard (ANSI): the rows are shifted by a quarter and by three quarters of a key.
BESIDE = {"g": set("ftvhb"), "q": set("wa"), "p": set("ol"), "m": set("njk"), "s": set("awdezx")}


@pytest.mark.parametrize("key", BESIDE)
def test_neighbours_lie_beside_the_key(key):
    assert set(NEIGHBOURS[key]) <= BESIDE[key] | set("wertyuiopasdfghjklzxcvbnm")
    assert {other for other in NEIGHBOURS[key]} == BESIDE[key] & set(NEIGHBOURS[key])
    assert all(key in NEIGHBOURS[other] for other in NEIGHBOURS[key])


@pytest.mark.parametrize("seed", range(30))
def test_a_slip_is_one_edit(seed):
    typed = edit_text("payment", TypingNoise(), Random(seed))[0]
    assert DamerauLevenshtein.distance("payment", typed) <= 1
    assert len({edit_text("payment", TypingNoise(), Random(s))[0] for s in range(30)}) > 10


def test_case_survives_a_slip():
    assert all(edit_text("PAYMENT", TypingNoise(), Random(s))[0].isupper() for s in range(30))


def test_gb2312_level_one_has_its_3755_characters():
    # GB 2312-80: level 1 has 3,755 characters, from 啊 to 座.
    common = _common_characters()
    assert (len(common), common[0], common[-1]) == (3755, "啊", "座")


def test_sounds_follow_the_word():
    # Polyphones, as Xiandai Hanyu Cidian reads them: 银行 yínháng, 行走 xíngzǒu.
    assert sounds_of("银行") == ["yin2", "hang2"]
    assert sounds_of("行走") == ["xing2", "zou3"]


def test_homophones_sound_the_same_and_typing_nearly():
    assert "吟" in alike("银", "yin2")
    assert all(sounds_of(other)[0] == "yin2" for other in alike("银", "yin2"))
    assert "银" not in alike("银", "yin2")
    near = nearly_alike("银", "yin2")
    assert {"印", "营"} <= set(near)  # another tone; in and ing are mixed up in the south


@pytest.mark.parametrize("operation", [Homophones(0.9), TypingNoise(0.9)], ids=lambda o: o.kind)
def test_chinese_keeps_its_length_and_changes_a_character_a_word(operation):
    text = "银行卡丢了"
    noisy = edit_text(text, operation, Random(5))[0]
    assert len(noisy) == len(text)
    assert noisy != text


def test_english_homophones_and_nothing_else():
    assert edit_text("Their payment", Homophones(), Random(0))[0] in ("There payment", "They're payment")
    assert edit_text("payment pending", Homophones(), Random(0))[0] == "payment pending"


def test_scanners_confuse_what_looks_alike():
    assert edit_text("modern", OcrNoise(), Random(0))[0] in {
        "rnodern", "m0dern", "moclern", "modem", "modcrn", "modeni", "moderu", "modeh", "moderh"
    }  # fmt: skip
    assert edit_text("末", OcrNoise(), Random(0))[0] == "来"  # never 未, which turns the meaning round
    assert all(
        character in LOOKALIKES[other] for character in "己已巳" for other in "己已巳" if character != other
    )
