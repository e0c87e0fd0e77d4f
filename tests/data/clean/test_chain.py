"""The whole chain: cleaning twice changes nothing, every change is noted, and only texts change."""

import json
import pickle
import random

import pyarrow
import pyarrow.compute as compute
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from luthier.data.clean.build import operators_of, rewriters_of, steps_of
from luthier.data.clean.chain import CleanTexts
from luthier.data.clean.control_characters import RemoveControlCharacters
from luthier.data.clean.gbk_mojibake import RepairGbk
from luthier.data.clean.unicode_repair import RepairUnicode
from luthier.data.clean.white_space import TidyWhiteSpace
from luthier.data.operators.batch import batches_of_rows, rows_of
from luthier.data.operators.execute import apply_all
from luthier.recipe.data_sections.clean import CleanSection

_PIECES = [
    "浣犲ソ锛屼笘鐣�", "ÄãºÃ£¬ÊÀ½ç", "schÃ¶n", "&amp;lt;b&gt;", "&lt;b&gt;", "<b", ">", "<p>", "</p>",
    "<!--", "-->", "**", "*", "_", "`", "```\n", "# ", "> ", "[a](b)", "\u00a0", "\u3000", "  ", "\r\n",
    "\n", "\t", "\x00", "\x1b[31m", "\ufeff", "\u200b", "👍🏽", "👨\u200d👩", "❤️", "\ufe0f", "\u200d",
    "1️⃣", ":thumbs_up:", "http://a.cn/b", "www.", "[URL]", "the ", "isn't", "的", "我们", "頭髮",
    "乾隆", "发展", "后", "ＡＢｃ", "ｶﾞ", "，", "İ", "ß", "ﬁ", "e\u0301", "\u0301", "\u2028", "\x85",
    "\ud7a3", "A", "b1", "北京大学", "结婚的和尚未",
]  # fmt: skip
_text = st.one_of(
    st.text(alphabet=st.characters(codec="utf-8"), max_size=40),
    st.lists(st.sampled_from(_PIECES), max_size=12).map("".join),
)

_EVERYTHING = {
    "unicode": True,
    "control_characters": True,
    "markup": "markdown",
    "white_space": "collapse",
    "urls": "remove",
    "emoji": "remove",
    "width": "all",
    "chinese_script": "t2s",
    "lowercase": True,
    "stop_words": ["en", "zh"],
    "segment": True,
}
_CHAINS = [
    _EVERYTHING,
    {"unicode": True, "control_characters": True, "white_space": "tidy"},
    {
        "markup": "html",
        "emoji": "describe",
        "urls": "mask",
        "white_space": "one_line",
        "chinese_script": "tw2sp",
    },
]


def _cleaned(rows, section):
    batches = batches_of_rows(enumerate(rows, start=1), ["**"], source="f.jsonl")
    return [apply_all(operators_of(section), batch) for batch in batches]


@pytest.mark.parametrize("keys", _CHAINS)
@given(texts=st.lists(_text, min_size=1, max_size=4))
def test_cleaning_twice_is_cleaning_once(keys, texts):
    section = CleanSection.model_validate(keys)
    (once,) = _cleaned([{"text": text} for text in texts], section)
    assert "unstable" not in once["reason"].to_pylist()
    kept = [
        row for row, reason in zip(rows_of(once), once["reason"].to_pylist(), strict=True) if reason is None
    ]
    if kept:
        (twice,) = _cleaned(kept, section)
        assert rows_of(twice) == kept
        assert twice["changes"].to_pylist() == [[]] * len(kept)


@pytest.mark.parametrize("chinese_script", ["t2s", "tw2s", "tw2sp", "hk2s", "s2t", "s2tw", "s2twp", "s2hk"])
def test_every_conversion_comes_to_rest_on_real_text(shared_data, chinese_script):
    section = CleanSection.model_validate({"chinese_script": chinese_script})
    contexts = json.loads((shared_data / "qa/xquad_zh.json").read_text(encoding="utf-8"))["data"]
    rows = [{"text": paragraph["context"]} for entry in contexts for paragraph in entry["paragraphs"]]
    (batch,) = _cleaned(rows, section)
    assert batch["reason"].null_count == len(rows) == 240


@settings(max_examples=50)
@given(st.lists(_text, min_size=1, max_size=4))
def test_changes_lead_back_to_the_text_that_was_read(texts):
    (batch,) = _cleaned([{"text": text} for text in texts], CleanSection.model_validate(_EVERYTHING))
    for text, changes, after in zip(
        texts, batch["changes"].to_pylist(), batch["texts"].to_pylist(), strict=True
    ):
        assert (changes[0]["before"] if changes else after[0]) == text
        assert all(change["path"] == "/text" for change in changes)


def test_other_values_are_never_altered():
    row = {
        "text": "  a  ",
        "id": 12345678901234567890123,
        "share": 1.10,
        "none": None,
        "tag": " keep  me ",
        "list": [" x "],
    }
    raw = json.dumps(row)
    (batch,) = batches_of_rows([(1, json.loads(raw))], ["text"], source="f.jsonl")
    operators = operators_of(CleanSection(white_space="collapse"))
    assert rows_of(apply_all(operators, batch)) == [row | {"text": "a"}]


def test_a_row_of_which_nothing_is_left_is_left_out():
    rows = [{"a": "👍", "b": "👍"}, {"a": "👍", "b": "x"}, {"a": "", "b": " "}]
    (batch,) = _cleaned(rows, CleanSection(emoji="remove"))
    assert batch["reason"].to_pylist() == ["emptied", None, None]
    assert rows_of(batch)[1] == {"a": "", "b": "x"}


def test_a_text_that_never_comes_to_rest_is_left_out():
    class Growing:
        name = "growing"

        def __call__(self, text):
            return text + "!" if text.startswith("x") else text

    (batch,) = batches_of_rows([(1, {"text": "x"}), (2, {"text": "y"})], ["text"], source="f.jsonl")
    batch = CleanTexts([Growing()])(batch)
    assert batch["reason"].to_pylist() == ["unstable", None]
    assert batch["texts"].to_pylist() == [["x"], ["y"]]


def test_operators_can_be_pickled_and_order_is_fixed():
    section = CleanSection.model_validate(
        _EVERYTHING
        | {"languages": ["zh"], "quality": {"min_words": 2}, "missing": [{"field": "a", "action": "drop"}]}
    )
    assert [type(operator).__name__ for operator in operators_of(section)] == [
        "CleanTexts", "KeepTargets", "LanguageFilter", "QualityFilter",
    ]  # fmt: skip
    assert pickle.loads(pickle.dumps(operators_of(section))) == operators_of(section)
    assert len(steps_of(section)) == 1
    assert [rewriter.name for rewriter in rewriters_of(section)] == [
        "gbk_mojibake", "unicode", "control_characters", "markup", "urls", "emoji", "width", "chinese_script",
        "lowercase", "stop_words", "segment", "white_space",
    ]  # fmt: skip
    assert operators_of(CleanSection()) == steps_of(CleanSection()) == []


def test_every_key_changes_what_is_done():
    """A key that nothing reads would leave this text alone."""
    text = "<b>ＡＢ，頭髮</b> 浣犲ソ锛屼笘鐣岋紝浣犲ソ\x00  x 👍 http://a.cn The 我们"
    results = {}
    for key, value in [
        *_EVERYTHING.items(),
        ("more_stop_words", ["x"]),
        ("width", "alphanumeric"),
        ("urls", "mask"),
    ]:
        (batch,) = _cleaned([{"text": text}], CleanSection.model_validate({key: value}))
        results[key, str(value)] = batch["texts"].to_pylist()[0][0]
    assert text not in results.values()
    assert len(set(results.values())) == len(results)


def test_real_rows_are_at_rest_after_one_cleaning(shared_data):
    rows = json.loads((shared_data / "instruction/alpaca_en_demo.json").read_text(encoding="utf-8"))
    rows = random.Random(0).sample(rows, 200)
    section = CleanSection.model_validate(_EVERYTHING)
    (once,) = _cleaned(rows, section)
    kept = [
        row for row, reason in zip(rows_of(once), once["reason"].to_pylist(), strict=True) if reason is None
    ]
    assert len(kept) >= 198
    (twice,) = _cleaned(kept, section)
    assert rows_of(twice) == kept


_HINTED = (
    RepairGbk(),
    RepairUnicode(),
    RemoveControlCharacters(),
    *map(TidyWhiteSpace, ("tidy", "collapse", "one_line")),
)


@given(_text)
@settings(max_examples=1500)
def test_a_text_without_the_hint_of_a_rewriter_is_not_changed_by_it(text):
    for rewriter in _HINTED:
        is_hinted = compute.match_substring_regex(pyarrow.array([text]), rewriter.hint)[0].as_py()
        assert is_hinted or rewriter(text) == text, rewriter


def test_the_batch_is_the_same_without_hints():
    class Plain:
        def __init__(self, rewriter):
            self.name, self.rewrite = rewriter.name, rewriter

        def __call__(self, text):
            return self.rewrite(text)

    chance = random.Random(1)
    rows = [{"text": "".join(chance.choices(_PIECES, k=chance.randint(1, 5)))} for _ in range(500)]
    batches = [*batches_of_rows(enumerate(rows, start=1), ["text"], source="a.jsonl")]
    with_hints, without = CleanTexts(_HINTED[:4]), CleanTexts(tuple(map(Plain, _HINTED[:4])))
    assert [with_hints(batch) for batch in batches] == [without(batch) for batch in batches]
