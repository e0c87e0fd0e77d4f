"""Every kind is found where it stands, as certain as it is, and what only looks alike is not."""

from collections import Counter
from random import Random

import pyarrow
import pyarrow.compute as compute
import pytest
from faker import Faker
from hypothesis import given
from hypothesis import strategies as st

from luthier.core.errors import DataError
from luthier.data.pii.detect import _MODULES, PLAIN_KINDS, Detector, _narrowed, find
from luthier.data.pii.finding import KINDS, Finding, is_at_least, without_overlaps
from tests.data.pii.sentences import sentences, wrong_card

_SLACK = (
    "xox" + "b-123456789012-1234567890123-AbCdEfGhIjKlMnOpQrStUvWx"
)  # in two parts, or every scanner finds it


def _found(text, *kinds):
    return [(f.kind, f.text, f.certainty) for f in find(text, kinds or PLAIN_KINDS)]


def test_all_of_fakers_identity_cards_are_found_and_none_with_a_wrong_check_digit():
    faker = Faker("zh_CN")
    faker.seed_instance(0)
    cards = [faker.ssn() for _ in range(10_000)]
    detector = Detector()
    texts = [f"我的身份证是{card}谢谢" for card in cards]
    assert all(detector.worth_looking(pyarrow.array(texts)).to_pylist())
    found = detector.find_all(texts)
    assert [[(f.kind, f.text, f.certainty) for f in some] for some in found] == [
        [("identity_card", card, "checked")] for card in cards
    ]
    wrong = detector.find_all([f"我的身份证是{wrong_card(card)}谢谢" for card in cards])
    assert not [f for some in wrong for f in some if f.kind == "identity_card"]


@pytest.mark.parametrize("seed", [1, 2])
def test_recall_and_precision_in_running_text(seed):
    kinds = ("identity_card", "company_code", "bank_card", "phone")
    made = list(sentences(3000, seed))
    counts = Counter()
    for sentence, findings in zip(made, Detector().find_all([s.text for s in made]), strict=True):
        got = {(f.kind, f.start, f.end) for f in findings if is_at_least(f.certainty, "pattern")}
        counts.update((kind, "right") for kind, *_ in got & set(sentence.gold))
        counts.update((kind, "missed") for kind, *_ in set(sentence.gold) - got)
        counts.update((kind, "false") for kind, *_ in got - set(sentence.gold))
    for kind in kinds:
        right, missed, false = (counts[kind, what] for what in ("right", "missed", "false"))
        assert right > 500
        assert right / (right + missed) >= 0.99, kind
        assert right / (right + false) >= 0.98, kind
    assert not counts["email", "false"] + counts["address", "false"] + counts["secret", "false"]


_IBANS = ["转GB29 NWBK 6016 1331 9268 19", "DE89370400440532013000", "BY13NBRB3600900000002Z00AB00"]


def _wide(text, chance):
    return "".join(
        chr(ord(c) + 0xFEE0) if c.isalnum() and c.isascii() and chance.random() < 0.5 else c for c in text
    )


@pytest.mark.parametrize("is_wide", [False, True])
def test_the_hint_of_a_kind_matches_every_text_in_which_it_finds_something(is_wide):
    """A recogniser sees only what its hint matches: without the hint it finds no more."""
    chance = Random(3)
    texts = [sentence.text for sentence in sentences(3000, 3)] + [text for text, _ in _ONE_TEXT] + _IBANS
    if is_wide:
        texts = [_wide(text, chance) for text in texts]
    narrow = _narrowed(texts)
    for kind, module in _MODULES.items():
        if kind in ("name", "secret"):
            continue  # names are slow, and secrets are not written in wide letters
        found = [index for index, text in enumerate(narrow) if any(True for _ in module.find(text))]
        hinted = compute.match_substring_regex(pyarrow.array(texts), module.HINT).to_pylist()
        assert found and all(hinted[index] for index in found), kind


_ONE_TEXT = [
    ("身份证110102199101010078已登记", [("identity_card", "110102199101010078", "checked")]),
    (
        "１１０１０２１９９１０１０１００７８",
        [("identity_card", "１１０１０２１９９１０１０１００７８", "checked")],
    ),
    ("110102 19910101 0078", [("identity_card", "110102 19910101 0078", "checked")]),
    ("0.110102199101010078", []),
    ("身份证号110102910101007", [("identity_card", "110102910101007", "pattern")]),
    ("税号91110000600037341L。", [("company_code", "91110000600037341L", "checked")]),
    ("打电话13812345678找我", [("phone", "13812345678", "pattern")]),
    ("加wx13812345678", [("phone", "13812345678", "pattern")]),
    ("（+8613812345678）", [("phone", "+8613812345678", "pattern")]),
    ("订单13812345678", [("phone", "13812345678", "uncertain")]),
    ("a3f13812345678", [("phone", "13812345678", "uncertain")]),
    ("010-62771234转801", [("phone", "010-62771234转801", "pattern")]),
    ("(0755)26001234", [("phone", "(0755)26001234", "pattern")]),
    ("客服400-820-8820", [("phone", "400-820-8820", "uncertain")]),
    ("工号13812345678.50", []),
    ("卡号6222 0212 3456 7890 129", []),
    ("邮箱是zhang.san@qq.com谢谢", [("email", "zhang.san@qq.com", "pattern")]),
    ("mail bob@example.com", [("email", "bob@example.com", "uncertain")]),
    ("icon@2x.png 和 lodash@4.17.21", []),
    ("服务器8.8.8.8挂了", [("ip_address", "8.8.8.8", "pattern")]),
    ("localhost 127.0.0.1", [("ip_address", "127.0.0.1", "uncertain")]),
    ("版本1.2.3.4", [("ip_address", "1.2.3.4", "uncertain")]),
    ("车牌京A12345违章", [("licence_plate", "京A12345", "pattern")]),
    ("粤B·D12345是新能源", [("licence_plate", "粤B·D12345", "pattern")]),
    ("沪AF12345", [("licence_plate", "沪AF12345", "pattern")]),
    ("京A1234警", [("licence_plate", "京A1234警", "pattern")]),
    ("湘ABCDEF", []),
    ("护照号E12345678", [("passport", "E12345678", "pattern")]),
    ("型号E12345678", [("passport", "E12345678", "uncertain")]),
    ("passport no. 512345678", [("passport", "512345678", "pattern")]),
    ("港澳通行证C12345678", [("passport", "C12345678", "pattern")]),
    ("HKID A123456(3)", [("foreign_identity", "A123456(3)", "checked")]),
    ("HKID A123456(4)", []),
    ("身分證字號A123456789", [("foreign_identity", "A123456789", "checked")]),
    (
        "我住在广东省深圳市南山区科技园路1号3栋502室。",
        [("address", "广东省深圳市南山区科技园路1号3栋502室", "pattern")],
    ),
    ("送到朝阳区建国路88号院", [("address", "朝阳区建国路88号院", "pattern")]),
    ("坐地铁一号线到人民路", []),
    (
        "at 221B Baker Street, London NW1 6XE",
        [("address", "221B Baker Street, London NW1 6XE", "uncertain")],
    ),
    (
        "1600 Pennsylvania Avenue NW",
        [("address", "1600 Pennsylvania Avenue", "uncertain")],
    ),
    (f"token={_SLACK}", [("secret", _SLACK, "pattern")]),
    ("AKIA" + "IOSFODNN7EXAMPLE", [("secret", "AKIAIOSFODNN7EXAMPLE", "pattern")]),
    ("用LTAI" + "5tAbCdEfGh1234567890调用", [("secret", "LTAI5tAbCdEfGh1234567890", "pattern")]),
    ("git clone https://ghp_" + "a1B2" * 9 + "@github.com", [("secret", "ghp_" + "a1B2" * 9, "pattern")]),
    ("令牌glpat-" + "a1B2" * 5 + "。", [("secret", "glpat-" + "a1B2" * 5, "pattern")]),
    ("mysql://root:hunter22@db:3306", [("secret", "hunter22", "pattern")]),
    ("密码是Abc123!@#xyz", [("secret", "Abc123!@#xyz", "uncertain")]),
    ("发票金额1,234,567.89元，时间戳1732262400123", []),
    ("", []),
]


@pytest.mark.parametrize(("text", "expected"), _ONE_TEXT)
def test_one_text(text, expected):
    assert _found(text) == expected
    assert not expected or Detector(KINDS).worth_looking(pyarrow.array([text]))[0].as_py()


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("我叫王小明，在北京工作", ["王小明"]),
        ("欧阳修和李白", ["欧阳修", "李白"]),
        ("谢谢你，高兴", []),
        ("Dear Mr. John Smith, my name is Ann O'Brien.", ["John Smith", "Ann O'Brien"]),
        ("Contact: Mary J. Major", ["Mary J. Major"]),
    ],
)
def test_names_are_always_uncertain(text, names):
    assert _found(text, "name") == [("name", name, "uncertain") for name in names]


def test_a_private_key_is_found_whole():
    key = "-----BEGIN RSA PRIVATE KEY-----\n" + "MIIEowIBAAKCAQEA\n" * 4 + "-----END RSA PRIVATE KEY-----"
    assert _found(f"key:\n{key}\nend") == [("secret", key, "pattern")]


def test_kinds_are_looked_for_only_when_named():
    text = "13812345678 a@b.cn"
    assert [kind for kind, *_ in _found(text, "email")] == ["email"]
    with pytest.raises(DataError, match="'e-mail'"):
        Detector(["e-mail"])


def test_own_recognisers_see_every_text():
    def find_badges(text):
        if "B-7" in text:
            place = text.index("B-7")
            yield Finding("name", place, place + 3, "B-7", "pattern")

    detector = Detector(["email"], [find_badges])
    assert detector.worth_looking(pyarrow.array(["x"])).to_pylist() == [True]
    assert [f.text for f in detector.find_all(["no B-7 here"])[0]] == ["B-7"]


def test_the_more_certain_then_the_longer_wins():
    short = Finding("phone", 2, 4, "cd", "checked")
    long = Finding("name", 0, 6, "abcdef", "uncertain")
    longer = Finding("email", 3, 9, "defghi", "pattern")
    beside = Finding("iban", 4, 5, "e", "uncertain")
    assert without_overlaps([long, longer, short, beside]) == [short, beside]


_PIECES = st.sampled_from(
    [
        "13812345678",
        "110102199101010078",
        "91110000600037341L",
        "a@b.cn",
        "8.8.8.8",
        "京A12345",
        "::1",
        "\x00",
        "６２",
        "号",
    ]
    + [
        "password=",
        "-----BEGIN",
        "+86",
        "(",
        "路12号",
        "4111 1111 1111 1111",
        "护照",
        "E12345678",
        " ",
        "\n",
        "x",
        "0",
    ]
)


@given(st.lists(st.lists(_PIECES | st.text(max_size=3), max_size=6).map("".join), max_size=6))
def test_texts_do_not_touch_each_other_and_the_cheap_test_loses_nothing(texts):
    detector = Detector()
    together = detector.find_all(texts)
    assert together == [detector.find_all([text])[0] for text in texts]
    worth = detector.worth_looking(
        pyarrow.array([text.encode("utf-8", "replace").decode() for text in texts], pyarrow.string())
    )
    for text, findings, is_worth in zip(texts, together, worth.to_pylist(), strict=True):
        assert is_worth or not findings
        for before, after in zip(findings, findings[1:], strict=False):
            assert before.end <= after.start
        for finding in findings:
            assert finding.text == text[finding.start : finding.end]
