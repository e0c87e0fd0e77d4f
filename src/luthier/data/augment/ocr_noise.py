"""OCR noise: characters become others that look alike, as in scanned text."""

from __future__ import annotations

from collections.abc import Sequence
from random import Random

from luthier.data.augment.choice import choose
from luthier.data.augment.contract import Edits
from luthier.data.augment.function_words import is_negation

_LATIN = (
    "o 0|O 0|l 1|I l|i l|S 5|B 8|Z 2|G 6|b 6|q 9|g 9|e c|c e|h b|b h|n h|u v|v u|t f|f t|E F|Q O|D O|"
    "rn m|m rn|cl d|d cl|vv w|w vv|ri n|li h|nn m|ii u"
)
_CHINESE = """
未末 己已巳 人入八 土士 日曰目 大太犬 千干于 天夫无 田由甲申 木本术 王玉主 今令 午牛 贝见 刀力 儿几
九丸 乌鸟 住往佳 侯候 货贷 历厉 末来 困因囚 晴睛 清请情 辨辩辫 拔拨 班斑 卷券 竞竟 密蜜 磨摩 暮幕墓
恼脑 陪倍培 其具 亲新 轻经 暑署 拾抬 坦但 徒徙 微徽 析折拆 弦玄 扬杨 杨场 遗遣 亿忆 治冶 准淮 代伐 旦且
冰水 卖买 免兔 名各 丢去 农衣 巾币 失矢 市巿 问间闻 闪问 体休 仿访防 扮纷份 伦沦论 仕任 地他池 银很
银根 钱线浅 付村 支友 友反 户尸 区巨 办为 力办 方万 文丈 车东 东乐 中申 电龟 里理 星是 早旱 昨作 时对
明朋 服报 机权 极级 板版 枚杖 桃挑 校较 植值 模横 欠久 水永 求球 汁针 沙抄 法怯 泊伯 洋样 活话 流统
消稍 深探 温湿 源原 灭火 点占 热执 爱受 牧收 特持 狂旺 现视 理埋 用甩 病疾 白百 的旳 直真 眼眠 睡垂
知和 硬便 社杜 祝视 秋称 科料 租祖 空穷 竿竽 笔毛 答管 签答 精情 红江 约的 纸低 细绅 给绐 续读 网冈
羊半 老考 者著 耳且 肥爬 胞抱 能熊 脚却 船般 良食 花化 茶荼 草早 蓝篮 虫中 行何 补扑 被波 要妥 让计
记纪 讲进 许午 设没 词同 该孩 说脱 调周 谈淡 贴帖 费贵 走定 起赶 越趁 路跆 转传 边辺 过这 还坏 进井
远运 连莲 送关 通诵 速束 部陪 都郡 配酉 重里 钟种 铁铗 错借 锁销 镇填 长张 门们 阳阴 际标 陈阵 雪霄
面而 顺须 预顶 风凤 饭贩 饱抱 首道 马鸟 高亭 鱼渔 黑墨
"""


def _lookalikes() -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for pair in _LATIN.split("|"):
        seen, read = pair.split()
        found.setdefault(seen, []).append(read)
    for group in _CHINESE.split():
        for character in group:
            others = [other for other in group if other != character]
            found[character] = [*dict.fromkeys([*found.get(character, []), *others])]
    return found


LOOKALIKES = _lookalikes()
"""One or two characters, and what a scanner may take them for."""


class OcrNoise:
    """Misreads words, one place each.

    Args:
        rate: Share of the words to misread.
    """

    kind = "ocr"

    def __init__(self, rate: float = 0.1) -> None:
        self.rate = rate

    def edit_words(self, words: Sequence[str], is_free: Sequence[bool], random: Random) -> Edits:
        """Misread some words."""
        places = [i for i, free in enumerate(is_free) if free]
        able = {i: found for i in places if not is_negation(words[i]) and (found := _misreadings(words[i]))}
        chosen = choose(list(able), len(places), self.rate, random)
        return {i: (random.choice(able[i]),) for i in chosen}


def _misreadings(word: str) -> list[str]:
    readings = [
        word[:start] + read + word[start + length :]
        for start in range(len(word))
        for length in (1, 2)
        for read in LOOKALIKES.get(word[start : start + length], ())
        if start + length <= len(word)
    ]
    return [reading for reading in readings if not is_negation(reading)]
