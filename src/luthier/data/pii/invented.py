"""Invented addresses and names, drawn under a key from small lists: two originals may share one."""

from __future__ import annotations

import re

from luthier.data.pii.keyed import chosen

_TOWNS = "安宁 永和 新阳 清河 长泰 东林 西陵 南屏 北辰 嘉禾 宝山 云溪 凤鸣 石桥 白沙 青岩"
_ROADS = "和平 建设 人民 文化 解放 光明 胜利 团结 青年 友谊 新华 幸福 朝阳 红旗 学府 滨河"
_STREETS = "Oak Maple Cedar Pine Elm Walnut Willow Birch Ash Park Lake Hill River Mill Church Beech"
_GIVEN_EN = (
    "Alex Robin Taylor Jordan Casey Morgan Riley Jamie Avery Quinn Rowan Skyler Reese Finley Emerson Hayden"
)
_FAMILY_EN = "Brook Field Marsh Wood Stone Hill Lane Banks Ford Heath Moor Dale Grove Parks Wells Rivers"
_FAMILY = "王李张刘陈杨黄赵吴周徐孙马朱胡郭何高林罗郑梁谢宋唐许韩冯邓曹"
_GIVEN = (
    "伟芳娜敏静丽强磊军洋勇艳杰娟涛明超秀霞平刚桂英华文玉建国宁志海云飞雪梅婷"
    "鑫宇晨浩然欣怡佳琪子涵思远嘉诚若兰安康永瑞清泽立新雅"
)


def address(text: str, key: bytes) -> str:
    """Return an invented street line in the script of a given one."""
    number = chosen(re.sub(r"\s", "", text), key, "address", 1 << 32)
    house = 1 + (number >> 8) % 99_999
    if re.search("[一-鿿]", text):
        return f"{_one(_TOWNS, number)}市{_one(_ROADS, number >> 4)}路{house}号"
    return f"{house} {_one(_STREETS, number)} Street"


def name(text: str, key: bytes) -> str:
    """Return an invented name in the script of a given one, and as long."""
    number = chosen(text.lower(), key, "name", 1 << 40)
    if re.search("[一-鿿]", text):
        family, rest = number % len(_FAMILY), number // len(_FAMILY)
        characters = [_FAMILY[family]]
        for _ in range(max(1, len(text) - 1)):
            rest, given = divmod(rest, len(_GIVEN))
            characters.append(_GIVEN[given])
        return "".join(characters)
    given_name = _one(_GIVEN_EN, number)
    return f"{given_name} {_one(_FAMILY_EN, number >> 4)}" if " " in text else given_name


def _one(words: str, number: int) -> str:
    """Return one of sixteen words."""
    return words.split()[number & 15]
