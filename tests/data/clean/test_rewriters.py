"""Each rewriter changes what it names and nothing else."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from luthier.data.clean.chinese_script import ConvertChinese
from luthier.data.clean.control_characters import RemoveControlCharacters
from luthier.data.clean.emoji_policy import ReplaceEmoji
from luthier.data.clean.folding import FoldWidth, Lowercase
from luthier.data.clean.markup import StripMarkup
from luthier.data.clean.segmentation import SegmentChinese
from luthier.data.clean.stop_words import RemoveStopWords
from luthier.data.clean.unicode_repair import RepairUnicode
from luthier.data.clean.urls import ReplaceUrls
from luthier.data.clean.white_space import TidyWhiteSpace

_CASES = [
    # The first line is the example of ftfy's documentation.
    (RepairUnicode(), "âœ” No problems", "✔ No problems"),
    (RepairUnicode(), "schÃ¶n", "schön"),
    (RepairUnicode(), "cafe\u0301", "café"),
    (RepairUnicode(), "“你好”，ＡＢＣ：１２３！‘引用’", "“你好”，ＡＢＣ：１２３！‘引用’"),
    (RepairUnicode(), "&lt;b&gt; \x1b[31m \r\n", "&lt;b&gt; \x1b[31m \r\n"),
    (RemoveControlCharacters(), "a\x00b\x1b[31mred\x1b[0m\ufeff\u200bx\tz\n", "abredx\tz\n"),
    (RemoveControlCharacters(), "👨\u200d👩\u200d👧 می\u200cخواهم", "👨\u200d👩\u200d👧 می\u200cخواهم"),
    (
        TidyWhiteSpace(),
        "def f():\r\n    x  \r\n\n\n\n\n\n\u3000\u3000b\u00a0c  ",
        "def f():\n    x\n\n\n\u3000\u3000b c",
    ),
    (TidyWhiteSpace("collapse"), "  a   b \n  c\n\n\n\nd\u3000e ", "a b\nc\n\nd e"),
    (TidyWhiteSpace("one_line"), " a \n\n b\u2028c\t", "a b c"),
    (Lowercase(), "ÀB你", "àb你"),
    (FoldWidth(), "ＡＢＣ１２，。（ｶﾞ", "ABC12，。（ｶﾞ"),
    (FoldWidth("all"), "ＡＢＣ１２，（ｶﾞ\u3000x。", "ABC12,(ガ x。"),
    (ConvertChinese(), "頭髮與發展，軟體", "头发与发展，软体"),
    (ConvertChinese("tw2sp"), "滑鼠和軟體", "鼠标和软件"),
    (ConvertChinese("s2t"), "头发与发展", "頭髮與發展"),
    (ReplaceEmoji(), "好👍🏽ok❤️ © ™ ㊗ ☺ 1️⃣2", "好ok © ™ ㊗ ☺ 2"),
    (ReplaceEmoji("describe"), "👍 ok", ":thumbs_up: ok"),
    (ReplaceEmoji("describe", "zh"), "👍 ok", ":拇指向上: ok"),
    (ReplaceUrls(), "看https://a.cn/x?y=1，好 (http://b.c/d) 见www.e.com。", "看，好 () 见。"),
    (ReplaceUrls("mask"), "看https://a.cn/x?y=1，好", "看[URL]，好"),
    (ReplaceUrls(), "swwww.x httpx://no a.b.c", "swwww.x httpx://no a.b.c"),
    (RemoveStopWords(), "The cat isn't on the mat, 我们的猫在北京很好看", "cat isn't mat, 猫北京好看"),
    (RemoveStopWords(("en",)), "state-of-the-art 的", "state-of-the-art 的"),
    (RemoveStopWords((), ("foo", "北京")), "the Foo bar 北京人在北京", "the bar 人在"),
    (SegmentChinese(), "我爱北京天安门ABC123号", "我 爱 北京 天安门 ABC123 号"),
]


@pytest.mark.parametrize(("rewriter", "before", "after"), _CASES)
def test_known_answers(rewriter, before, after):
    assert rewriter(before) == after
    assert rewriter(after) == after


_HTML = [
    ("<p>Hi <b>you</b> &amp; me</p>", "\nHi you & me\n"),
    ("x<br/>y<script>alert('<b>')</script>z<!-- no -->", "x\nyz"),
    ("<ul><li>a</li><li>b</li></ul>", "\na\nb\n"),
    (
        "a < b, List<String>, <|im_end|>, <user>, 3<i && i>2",
        "a < b, List<String>, <|im_end|>, <user>, 3<i && i>2",
    ),
    ("?a=1&copy=2&lt;3 &nbsp;&#20320;&bogus;", "?a=1&copy=2<3 \u00a0你&bogus;"),
    ("Write `<b>` or\n```html\n<p>&amp;</p>\n```", "Write `<b>` or\n```html\n<p>&amp;</p>\n```"),
    # Text about tags stays escaped where it would become a tag, which a second cleaning would take away.
    ("Use &lt;b&gt; for <i>bold</i>", "Use &lt;b&gt; for bold"),
]


@pytest.mark.parametrize(("before", "after"), _HTML)
def test_html(before, after):
    assert StripMarkup()(before) == after


_MARKDOWN = [
    ("# Title #\n**粗体**和*斜体*及**中**文 __x__ ~~no~~", "Title\n粗体和斜体及中文 x no"),
    ("[链接](http://x/y) ![图](a.png)", "链接 图"),
    ("2 * 3 * 4, snake_case_name, 5 > 3, a*b*c", "2 * 3 * 4, snake_case_name, 5 > 3, a*b*c"),
    ("```py\na*b*c # no\n```\n> quoted `*x*`\n\n---\n- item", "a*b*c # no\nquoted *x*\n\n- item"),
]


@pytest.mark.parametrize(("before", "after"), _MARKDOWN)
def test_markdown(before, after):
    assert StripMarkup("markdown")(before) == after


@given(st.text(alphabet=st.characters(codec="utf-8")))
def test_what_the_quick_look_passes_over_ftfy_would_not_change(text):
    """The everyday characters of `RepairUnicode` are skipped: ftfy must have nothing to say about them."""
    from luthier.data.clean import unicode_repair

    ftfy, config = unicode_repair._ftfy()
    everyday = "".join(c for c in text if not unicode_repair._SUSPECT.search(c))
    assert ftfy.fix_text(everyday, config) == everyday


@given(st.text(alphabet=st.sampled_from("<>&;bp/ `a#amltgcopyscript!-'\"=*_[]()\n~>")))
def test_markup_is_at_rest_after_some_rounds(text):
    for form in ("html", "markdown"):
        strip = StripMarkup(form)
        for _ in range(8):
            text = strip(text)
        assert strip(text) == text


def test_every_emoji_that_the_package_knows_is_looked_at():
    """Only runs of certain characters are given to the tokenizer: no emoji may have others."""
    import emoji

    from luthier.data.clean.emoji_policy import _RUN

    assert [sequence for sequence in emoji.EMOJI_DATA if not _RUN.fullmatch(sequence)] == []
    assert len(emoji.EMOJI_DATA) > 5000
