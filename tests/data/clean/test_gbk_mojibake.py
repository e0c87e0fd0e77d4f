"""GBK mojibake: repaired in both directions, and good text of any language is never touched."""

import csv
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from luthier.data.clean.common_hanzi import EVERYDAY, FIRST_LEVEL, MOST_FREQUENT
from luthier.data.clean.gbk_mojibake import RepairGbk
from luthier.data.clean.segmentation import HANZI_RUN

repair = RepairGbk()

_SENTENCES = [
    "你好，世界",
    "我们今天去北京看天安门，路上人很多。",
    "机器学习模型的训练需要大量数据！",
    "价格是100元，电话号码：010-12345678。",
    "他说：“这个问题不难”，然后就走了……",
    "東京で新しい技術を勉強しています。",
    "It’s “fine” – isn’t it? Yes… it is.",
    "不是說現在的上海話死得七七八八了嗎？",
]

_GOOD = [
    "naïve café, Ärger über Öl, ÀÉÈÙ, señor ¿Qué? ¡Hola!",
    "ÄÖÜäöüß ÅÆØ ÐÞ «Ça alors» 50 °C ±3 ½½½½ ºººº ····",
    "Ãœber die BrÃ¼cke, dÃ©jÃ  vu",  # UTF-8 read as Latin-1 is ftfy's work
    "Привет, мир",
    "Ïðèâåò ìèð, êàê äåëà",  # windows-1251 read as Latin-1: no Chinese comes out of it
    "涓涓细流，鎏金铜像，绮丽风光，鏖战，锛凿",  # rare characters that mojibake is full of
    "김치찌개는 맛있다",
    "飓风这次袭击了海岸，順便，帶走了屋頂",
    "",
]


@pytest.mark.parametrize("text", _SENTENCES)
def test_utf8_read_as_gbk_comes_back(text):
    mojibake = text.encode().decode("gb18030", "replace")
    assert mojibake != text
    repaired = repair(mojibake)
    assert len(repaired) == len(text)
    assert all(found in (true, "\ufffd") for found, true in zip(repaired, text, strict=True))
    assert repaired.count("\ufffd") <= 0.25 * len(text)  # of some characters GBK's reader has lost a byte


@pytest.mark.parametrize("encoding", ["latin-1", "cp1252"])
@pytest.mark.parametrize("text", _SENTENCES[:5])
def test_gbk_read_as_latin_comes_back(text, encoding):
    try:
        mojibake = text.encode("gbk").decode(encoding)
    except UnicodeDecodeError:
        pytest.skip(f"{encoding} has no letter for one of its bytes")
    assert repair(mojibake) == text


def test_known_examples():
    # The examples that people search for: "你好" in both directions.
    assert repair("浣犲ソ") == "你好"
    assert repair("ÄãºÃ") == "你好"
    assert repair("中文标题：浣犲ソ锛屼笘鐣�") == "中文标题：你好，世�"


@pytest.mark.parametrize("text", _GOOD)
def test_good_text_is_not_touched(text):
    assert repair(text) == text


def test_real_text_is_not_touched_and_real_mojibake_is_repaired(shared_data):
    with (shared_data / "classification/coldataset_zh_dev.csv").open(encoding="utf-8-sig") as file:
        texts = [row["TEXT"] for row in csv.DictReader(file)]
    texts += [
        json.loads(line)["text"] for line in (shared_data / "text/c4_demo.jsonl").open(encoding="utf-8")
    ]
    assert [text for text in texts if repair(text) != text] == []
    even, latin = [], []
    for text in texts:
        if text.isascii() or "\ufffd" in text or not HANZI_RUN.search(text):
            continue
        for found, read in (
            (even, lambda t: t.encode().decode("gb18030")),
            (latin, lambda t: t.encode("gbk").decode("latin-1")),
        ):
            try:
                found.append((text, read(text)))
            except UnicodeError:
                continue
    for found in (even, latin):
        assert len(found) > 900
        assert sum(repair(mojibake) == text for text, mojibake in found) > 0.99 * len(found)


@given(st.text(alphabet=sorted(FIRST_LEVEL)))
def test_everyday_chinese_is_never_touched(text):
    assert repair(text) == text


@given(st.text(alphabet=st.characters(max_codepoint=0xFFFF, exclude_categories=["Cs"])))
def test_repair_is_idempotent(text):
    assert repair(repair(text)) == repair(text)


def test_common_characters_are_what_they_say():
    assert (len(MOST_FREQUENT), len(FIRST_LEVEL)) == (600, 3755)  # GB 2312 names 3,755 characters in level 1
    assert MOST_FREQUENT <= FIRST_LEVEL <= EVERYDAY
