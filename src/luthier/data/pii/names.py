"""Names of people, always uncertain: jieba's tagger for Chinese, titles and introductions for English."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cache
from typing import Any

from luthier.core.optional import require
from luthier.data.pii.finding import Finding

HINT = r"[一-鿿·]{2}|[A-ZＡ-Ｚ][a-zà-ÿａ-ｚ]"
_HAN = re.compile(r"[一-鿿·]{2,}")
_WORD = r"(?:[A-Z]['’])?[A-Z][a-zà-ÿ]+(?:[-'’][A-Z][a-zà-ÿ]+)?"
_FULL_NAME = rf"{_WORD}(?: (?:[A-Z]\.|{_WORD})){{0,3}}"
_ENGLISH = (
    re.compile(rf"\b(?:Mr|Mrs|Ms|Miss|Dr|Prof|Professor|Sir|Madam)\.? ({_FULL_NAME})"),
    re.compile(
        rf"\b(?:[Mm]y name is|I am called|call me|[Ss]igned,?|[Ss]incerely,?|[Rr]egards,?)\s+({_FULL_NAME})"
    ),
    re.compile(rf"\b(?:[Nn]ame|[Cc]ontact|[Rr]ecipient|[Aa]uthor)\s*[:=]\s*({_WORD} (?:[A-Z]\. )?{_WORD})"),
)
_SURNAMES = frozenset(
    "王李张刘陈杨黄赵吴周徐孙马朱胡郭何高林罗郑梁谢宋唐许韩冯邓曹彭曾肖田董袁潘于蒋蔡余杜叶程苏魏吕丁任沈姚卢姜崔钟谭陆汪范金石廖"
    "贾夏韦付方白邹孟熊秦邱江尹薛闫段雷侯龙史陶黎贺顾毛郝龚邵万钱严覃武戴莫孔向汤温康施文牛樊葛邢安齐易乔伍庞颜倪庄聂章鲁岳翟殷"
    "詹申欧耿关兰焦俞左柳甘祝包宁尚符舒阮柯纪梅童凌毕单季裴霍涂成苗谷盛曲翁冉骆蓝路游辛靳管柴蒙鲍华喻祁蒲房滕屈饶解牟艾尤阳时穆"
    "农司卓古吉缪简车项连芦麦褚娄窦戚岑景党宫费卜冷晏席卫米柏宗瞿桂全佟应臧闵苟邬边卞姬师和仇栾隋商刁沙荣巫寇桑郎甄丛仲虞敖巩明佘"
    "池查麻苑迟邝封官谈匡鞠惠荆乐冀郁胥南班储原栗燕楚鄢劳谌奚皮粟冼蔺楼盘满闻位厉伊仝区郜海阚花权强帅屠豆朴盖练廉禹井祖漆巴丰支"
)
_COMPOUND = frozenset(
    (
        "欧阳",
        "上官",
        "司马",
        "诸葛",
        "司徒",
        "皇甫",
        "尉迟",
        "公孙",
        "慕容",
        "令狐",
        "夏侯",
        "东方",
        "端木",
        "长孙",
        "宇文",
        "轩辕",
    )
)


def find(text: str) -> Iterator[Finding]:
    """Yield what may be names in a text.

    Raises:
        MissingDependencyError: The text is Chinese, and jieba is not installed.
    """
    for pattern in _ENGLISH:
        for match in pattern.finditer(text):
            yield Finding("name", match.start(1), match.end(1), match[1], "uncertain")
    for run in _HAN.finditer(text):
        place = run.start()
        for word, tag in _tagger().cut(run.group()):
            if tag in ("nr", "nrfg") and len(word) > 1 and _is_name(word):
                yield Finding("name", place, place + len(word), word, "uncertain")
            place += len(word)


def _is_name(word: str) -> bool:
    """Tell whether a word that the tagger takes for a name begins with a surname and has a name's length."""
    return (
        (word[0] != word[1] or len(word) > 2)
        and (  # 谢谢
            (word[0] in _SURNAMES and 2 <= len(word) <= 3) or (word[:2] in _COMPOUND and 3 <= len(word) <= 4)
        )
    )


@cache
def _tagger() -> Any:
    jieba = require("jieba", extra="pii", purpose="finding Chinese names")
    jieba.setLogLevel("ERROR")
    return require("jieba.posseg", extra="pii", purpose="finding Chinese names").POSTokenizer()
