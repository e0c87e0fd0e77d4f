"""Substitutes: the same for the same value, another for another, of one kind and shape, with valid check digits."""

import random
import re

import pytest
from faker import Faker
from hypothesis import given
from hypothesis import strategies as st

from luthier.data.pii.checks import iban_remainder
from luthier.data.pii.detect import find
from luthier.data.pii.finding import KINDS
from luthier.data.pii.permute import permute, permute_characters
from luthier.data.pii.pseudonyms import Pseudonyms
from tests.data.pii.sentences import company_code, personal, union_pay

_KEY = b"k" * 32
_NARROW = str.maketrans("０１２３４５６７８９", "0123456789")


def _values(kind, count=300):
    chance = random.Random(3)
    chinese, english = Faker("zh_CN"), Faker("en_US")
    chinese.seed_instance(3)
    english.seed_instance(3)
    digits = [f"{number:08d}" for number in chance.sample(range(10**8), count)]
    made = {
        "identity_card": lambda n: chinese.ssn(),
        "company_code": lambda n: company_code(chance),
        "bank_card": lambda n: union_pay(chance),
        "phone": lambda n: personal("phone", chance, chinese, english),
        "email": lambda n: f"name{n}@corp.cn",
        "licence_plate": lambda n: f"京A{digits[n][:5]}" if n % 2 else f"粤BD{digits[n][:5]}",
        "passport": lambda n: f"E{digits[n]}",
        "ip_address": lambda n: f"8.{n % 256}.{n // 256}.{n % 99}" if n % 2 else f"2400:c401::{n:x}",
        "address": lambda n: f"上海市浦东新区世纪大道{n + 1}号" if n % 2 else f"{n + 1} Baker Street",
        "foreign_identity": lambda n: f"{100 + n}-12-{1000 + n}",
        "secret": lambda n: "ghp_" + (digits[n] * 5)[:36],
        "iban": lambda n: "DE89 3704 0044 0532 0130 00" if n else "GB29NWBK60161331926819",
    }[kind]
    return list(dict.fromkeys(made(number) for number in range(count)))


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind != "name"])
def test_a_substitute_is_of_the_same_kind_and_shape_and_no_other_value_has_it(kind):
    head = {"passport": "护照", "foreign_identity": "SSN "}.get(kind, "")
    pseudonyms = Pseudonyms(_KEY)
    substitutes = {}
    for value in _values(kind):
        finding = next(f for f in find(head + value) if f.kind == kind)
        assert finding.text == value
        substitute = pseudonyms.of(finding)
        assert substitute == Pseudonyms(_KEY).of(finding) != value
        again = next(f for f in find(head + substitute) if f.kind == kind)
        assert again.text == substitute
        if kind not in ("email", "ip_address"):  # theirs are addresses that nobody has, and known as such
            assert again.certainty == finding.certainty
        if kind not in ("email", "ip_address", "address"):
            assert re.sub("[0-9X]", "0", substitute) == re.sub(
                "[0-9X]", "0", value.translate(_NARROW)
            ) or kind in (
                "company_code",
                "licence_plate",
                "secret",
                "iban",
            )
            assert len(substitute) == len(value)
        substitutes.setdefault(re.sub("[^0-9A-Za-z一-鿿]", "", substitute), set()).add(
            re.sub("[^0-9A-Za-z一-鿿]", "", value.translate(_NARROW))
        )
    shared = [values for values in substitutes.values() if len(values) > 1]
    assert not shared


def test_the_same_value_in_another_spelling_has_the_same_substitute():
    pseudonyms = Pseudonyms(_KEY)
    plain, spaced, wide = (
        pseudonyms.of(find(text)[0]) for text in ("13812345678", "138-1234-5678", "１３８１２３４５６７８")
    )
    assert plain == wide == spaced.replace("-", "")
    assert re.fullmatch("138-[0-9]{4}-[0-9]{4}", spaced)
    assert iban_remainder(pseudonyms.of(find("DE89370400440532013000")[0])) == 1


def test_another_key_gives_other_substitutes():
    finding = find("110102199101010078")[0]
    assert Pseudonyms(b"a" * 32).of(finding) != Pseudonyms(b"b" * 32).of(finding)


def test_names_keep_their_script_and_length():
    pseudonyms = Pseudonyms(_KEY)
    chinese, english = (pseudonyms.of(find(text, ["name"])[0]) for text in ("我叫王小明", "Mr. John Smith"))
    assert re.fullmatch("[一-鿿]{3}", chinese) and chinese != "王小明"
    assert re.fullmatch("[A-Z][a-z]+ [A-Z][a-z]+", english)


@given(st.integers(1, 400), st.binary(min_size=1, max_size=8), st.text(max_size=4))
def test_permute_is_a_permutation(size, key, tweak):
    assert sorted(permute(value, size, key, tweak) for value in range(size)) == list(range(size))


def test_characters_keep_their_alphabets_and_valid_texts_stay_valid():
    images = {
        permute_characters(f"a{n}-", _KEY, "t", is_valid=lambda text: text[1] in "2468") for n in (2, 4, 6, 8)
    }
    assert len(images) == 4
    assert all(re.fullmatch("[a-z][2468]-", image) for image in images)
