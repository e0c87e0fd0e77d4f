"""Sentences with personal data at known places, and numbers that are none: what recall and precision are measured on.

Check digits are computed here in another way than in ``luthier.data.pii``, from the weights that the standards print.
"""

import random
import re
from collections.abc import Iterator
from dataclasses import dataclass

from faker import Faker

_COMPANY = "0123456789ABCDEFGHJKLMNPQRTUWXY"
# GB 32100-2015, 5.2, table of weights; GB 11714-1997, 4.3
_COMPANY_WEIGHTS = (1, 3, 9, 27, 19, 26, 16, 17, 20, 29, 25, 13, 8, 24, 10, 30, 28)
_ORGANISATION_WEIGHTS = (3, 7, 9, 10, 5, 8, 4, 2)
_WIDE = str.maketrans("0123456789", "０１２３４５６７８９")

_AROUND = {
    "identity_card": (
        "我的身份证号是{}，请帮我核对一下。",
        "姓名张伟身份证{}已实名",
        "证件号码：{}",
        "办理人{}于今日到场",
        "his ID is {} thanks",
        "请用{}登录系统",
    ),
    "company_code": (
        "统一社会信用代码{}的企业已注销",
        "开票信息：{}，税号同上",
        "该公司（{}）地址不详",
        "信用代码 {} 查询无结果",
        "纳税人识别号{}",
    ),
    "bank_card": (
        "请打款到{}，户名李娜。",
        "卡号{}被冻结了怎么办",
        "我的工资卡是{}工商银行",
        "银行卡: {} 开户行深圳分行",
        "把钱转到{}这张卡上",
        "my card {} was charged twice",
    ),
    "phone": (
        "有事打我电话{}谢谢",
        "联系人王芳{}",
        "手机号：{}，微信同号",
        "加vx{}领红包",
        "call me at {} please",
        "请在{}前回拨，谢谢",
        "（{}）",
    ),
}

_OTHER = (
    "订单号{order}已发货",
    "订单{mobile_like}还没到",
    "快递单号SF{d13}，运单{d12}",
    "下单时间戳{millis}，共{d3}件",
    "unix time {seconds} then {millis}",
    "共计{amount}元，含税",
    "总额人民币{money}整",
    "交易流水4200001234{day}{d10}",
    "ISBN 978-7-{d3}-{d5}-{d1}",
    "日期{date}，编号{day}{d4}",
    "QQ群{qq}，密码在群文件",
    "版本1.{d1}.{d2}.{d3}发布于{date}",
    "圆周率3.14159265358979323846264338327950288",
    "序列号{serial}",
    "身份证{bad_card}校验不通过",
    "哈希值{hash}",
    "编号{bad_company}有误",
    "批次{day}{d8}共{d4}箱",
    "坐标{lat},{lon}",
    "股票代码{d6}涨了{d2}%",
    "电量{d5}.{d4}度，上期{d5}",
    "合同编号HT{day}{d6}",
    "{big}",
)


@dataclass(frozen=True)
class Sentence:
    """A text, and kind, start and end of each piece of personal data in it."""

    text: str
    gold: tuple[tuple[str, int, int], ...]


def sentences(count: int, seed: int = 0) -> Iterator[Sentence]:
    """Yield sentences: each fourth holds nothing personal, the others one to three pieces."""
    chance = random.Random(seed)
    chinese, english = Faker("zh_CN"), Faker("en_US")
    chinese.seed_instance(seed)
    english.seed_instance(seed)
    for number in range(count):
        text, gold = "", []
        for _ in range(chance.choice((1, 1, 2, 3))):
            if number % 4 and chance.random() < 0.8:
                kind = chance.choice(tuple(_AROUND))
                value = personal(kind, chance, chinese, english)
                head, tail = chance.choice(_AROUND[kind]).split("{}")
                text += _between(text, head + value)
                start = len(text) + len(head)
                gold.append((kind, start, start + len(value)))
                text += head + value + tail
            else:
                sentence = other(chance)
                text += _between(text, sentence) + sentence
            text += chance.choice(("", " ", "。", "\n"))
        yield Sentence(text, tuple(gold))


def personal(kind: str, chance: random.Random, chinese: Faker, english: Faker) -> str:
    """Return a value of a kind, in one of the ways that people write it."""
    if kind == "identity_card":
        value = chinese.ssn()
        value = chance.choice((value, value, value.lower(), f"{value[:6]} {value[6:14]} {value[14:]}"))
    elif kind == "company_code":
        value = company_code(chance)
    elif kind == "bank_card":
        value = chance.choice((union_pay(chance), union_pay(chance), english.credit_card_number("visa16")))
        value = chance.choice((value, value, _grouped(value, " "), _grouped(value, "-")))
    else:
        value = _phone(chance, chinese)
    return value.translate(_WIDE) if chance.random() < 0.1 else value


def union_pay(chance: random.Random) -> str:
    """Return a valid UnionPay number of 16 or 19 digits."""
    digits = "62" + _digits(chance, chance.choice((13, 16)))
    return digits + _luhn(digits)


def company_code(chance: random.Random) -> str:
    """Return a valid unified social credit code."""
    middle = "".join(chance.choice(_COMPANY) for _ in range(8))
    total = sum(int(c, 36) * w for c, w in zip(middle, _ORGANISATION_WEIGHTS, strict=True))
    organisation = middle + "0123456789X0"[(11 - total % 11) % 11]
    code = (
        chance.choice(("91", "92", "93", "52", "12"))
        + chance.choice(("110105", "440300", "310115"))
        + organisation
    )
    total = sum(_COMPANY.index(c) * w for c, w in zip(code, _COMPANY_WEIGHTS, strict=True))
    return code + _COMPANY[(31 - total % 31) % 31]


def wrong_card(card: str) -> str:
    """Return an identity card with another check digit than it has."""
    return card[:17] + ("0123456789X".replace(card[17].upper(), ""))[int(card[16])]


def other(chance: random.Random) -> str:
    """Return a sentence with numbers that are nobody's."""
    day = f"2024{chance.randint(1, 12):02d}{chance.randint(1, 28):02d}"
    card = Faker("zh_CN")
    card.seed_instance(chance.random())
    company = company_code(chance)
    parts = {
        "order": day + _digits(chance, chance.choice((8, 10, 12))),
        "mobile_like": "13" + _digits(chance, 9),
        "millis": "17" + _digits(chance, 11),
        "seconds": "17" + _digits(chance, 8),
        "amount": f"{chance.randint(1, 10**9):,}.{chance.randint(0, 99):02d}",
        "money": f"{chance.randint(10**10, 10**11)}.{chance.randint(0, 99):02d}",
        "day": day,
        "date": f"{day[:4]}-{day[4:6]}-{day[6:]}",
        "qq": chance.choice("123456789") + _digits(chance, 8),
        "serial": chance.choice(("4", "62", "5")) + _digits(chance, 15),
        "bad_card": wrong_card(card.ssn()),
        "bad_company": company[:17] + _COMPANY[(_COMPANY.index(company[17]) + 1) % 31],
        "hash": f"{chance.getrandbits(160):040x}",
        "lat": f"{chance.uniform(18, 53):.6f}",
        "lon": f"{chance.uniform(73, 135):.6f}",
        "big": _digits(chance, chance.choice((8, 20, 22, 25))),
    }
    for length in (1, 2, 3, 4, 5, 6, 8, 10, 12, 13):
        parts[f"d{length}"] = _digits(chance, length)
    return chance.choice(_OTHER).format(**parts)


def _between(left: str, right: str) -> str:
    """Return a space where letters and digits of two sentences would run into each other."""
    return " " if re.search(r"[0-9A-Za-z０-９]\Z", left) and re.match(r"[0-9A-Za-z０-９(+]", right) else ""


def _phone(chance: random.Random, chinese: Faker) -> str:
    mobile = chinese.phone_number()
    land = chance.choice(("010", "021", "0755", "0571")) + "-" + chance.choice("2345678") + _digits(chance, 7)
    return chance.choice(
        (
            mobile,
            mobile,
            f"{mobile[:3]}-{mobile[3:7]}-{mobile[7:]}",
            f"{mobile[:3]} {mobile[3:7]} {mobile[7:]}",
            f"+86{mobile}",
            f"+86 {mobile}",
            f"86-{mobile}",
            land,
            f"({land[: land.index('-')]}){land[land.index('-') + 1 :]}",
            f"+44 20 7{_digits(chance, 3)} {_digits(chance, 4)}",
            f"(415) {chance.choice('2345')}55-{_digits(chance, 4)}",
        )
    )


def _digits(chance: random.Random, length: int) -> str:
    return "".join(chance.choice("0123456789") for _ in range(length))


def _luhn(digits: str) -> str:
    total = 0
    for place, digit in enumerate(reversed(digits)):
        doubled = int(digit) * (2 if place % 2 == 0 else 1)
        total += doubled // 10 + doubled % 10
    return str((10 - total % 10) % 10)


def _grouped(digits: str, gap: str) -> str:
    return gap.join(digits[place : place + 4] for place in range(0, len(digits), 4))
