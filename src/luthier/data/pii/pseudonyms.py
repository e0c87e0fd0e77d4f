"""Substitutes: the same value always gets the same, of the same shape, with its check digit where it has one."""

from __future__ import annotations

import hashlib
import hmac
import re
from collections.abc import Callable
from datetime import date, timedelta

from luthier.data.pii import foreign_identity, invented
from luthier.data.pii.checks import (
    COMPANY_ALPHABET,
    company_digit,
    iban_digits,
    luhn_digit,
    mod_11_2_digit,
    organisation_digit,
)
from luthier.data.pii.finding import Finding
from luthier.data.pii.keyed import chosen, digest
from luthier.data.pii.licence_plate import LETTERS
from luthier.data.pii.permute import alphabet_of, permute, permute_characters
from luthier.data.pii.regions import counties

_NARROW = {code: code - 0xFEE0 for code in range(0xFF01, 0xFF5F)}
_FIRST_BIRTH = date(1930, 1, 1)
_BIRTHS = (date(2015, 1, 1) - _FIRST_BIRTH).days
_SERIALS = 1000


class Pseudonyms:
    """Gives each value its substitute.

    Args:
        key: Secret; another key gives other substitutes.
    """

    def __init__(self, key: bytes) -> None:
        self._key = key

    def of(self, finding: Finding) -> str:
        """Return the substitute of a finding, spaced and bracketed as it was."""
        text = finding.text.translate(_NARROW)
        return _SUBSTITUTES[finding.kind](text, self._key)


def _identity_card(text: str, key: bytes) -> str:
    bare = re.sub("[ -]", "", text).upper()
    if len(bare) == 15:  # the old form, which has no check digit
        return _refilled(
            text, bare[:6] + permute_characters(bare[6:], key, "old card", is_valid=_has_old_date)
        )
    births, known = _BIRTHS, counties()
    try:
        born = (date(int(bare[6:10]), int(bare[10:12]), int(bare[12:14])) - _FIRST_BIRTH).days
        value = (known.index(bare[:6]) * births + born) * _SERIALS + int(bare[14:17])
        if not 0 <= born < births:
            raise ValueError
        image = permute(value, len(known) * births * _SERIALS, key, "identity card")
    except ValueError:  # a county or birth beyond the tables: its substitute is one within, by chance alone
        image = chosen(bare, key, "identity card", len(known) * births * _SERIALS)
    image, serial = divmod(image, _SERIALS)
    county, born = divmod(image, births)
    digits = f"{known[county]}{_FIRST_BIRTH + timedelta(born):%Y%m%d}{serial:03d}"
    return _refilled(text, digits + mod_11_2_digit(digits))


def _has_old_date(tail: str) -> bool:
    return "01" <= tail[2:4] <= "12" and "01" <= tail[4:6] <= "28"


def _company_code(text: str, key: bytes) -> str:
    code = text.upper()
    alphabets = COMPANY_ALPHABET
    middle = permute_characters(code[8:16], key, f"company {code[:8]}", alphabets=lambda place, c: alphabets)
    code = code[:8] + middle + organisation_digit(middle)
    return code + company_digit(code)


def _bank_card(text: str, key: bytes) -> str:
    digits = re.sub("[ -]", "", text)
    middle = permute_characters(digits[4:-1], key, f"card {digits[:4]}")
    return _refilled(text, digits[:4] + middle + luhn_digit(digits[:4] + middle))


def _iban(text: str, key: bytes) -> str:
    bare = text.replace(" ", "")
    account = permute_characters(bare[4:], key, f"iban {bare[:2]}")
    return _refilled(text, bare[:2] + iban_digits(bare[:2], account) + account)


def _foreign_identity(text: str, key: bytes) -> str:
    bare = re.sub("[^0-9A-Za-z]", "", text)

    def is_found(image: str) -> bool:
        return any(
            finding.end - finding.start == len(text)
            for finding in foreign_identity.find(_refilled(text, image))
        )

    return _refilled(text, permute_characters(bare, key, "foreign identity", is_valid=is_found))


def _phone(text: str, key: bytes) -> str:
    """Return a number with the same country, and area or carrier, and another subscriber."""
    digits = re.sub("[^0-9]", "", text)
    mobile = re.search(r"1[3-9][0-9]{9}\Z", digits)
    num_kept = mobile.start() + 3 if mobile and len(digits) <= 15 else max(len(digits) - 7, 3)
    head, tail = digits[:num_kept], digits[num_kept:]

    def is_subscriber(image: str) -> bool:
        return bool(mobile) or (image[0] in "01") == (tail[0] in "01")

    image = permute_characters(tail, key, f"phone {head[-3:]}", is_valid=is_subscriber)
    return _refilled(text, head + image)


def _email(text: str, key: bytes) -> str:
    return f"user-{digest(text.lower(), key, 'email')[:12]}@example.com"


def _licence_plate(text: str, key: bytes) -> str:
    """Return a plate of the same province, kind and length."""

    def alphabet(place: int, character: str) -> str:
        if place == 0 or not character.isascii() or not character.isalnum():
            return ""
        if place == 1 and character.isalpha():
            return LETTERS
        return alphabet_of(character) if character.isdigit() or character in "DF" else LETTERS

    return permute_characters(
        text, key, "plate", alphabets=lambda place, c: c if c in "DF" and place > 1 else alphabet(place, c)
    )


def _passport(text: str, key: bytes) -> str:
    return text[0] + permute_characters(text[1:], key, f"passport {text[0]}")


def _ip_address(text: str, key: bytes) -> str:
    """Return an address that nobody has: of the reserved class E (RFC 1112), or for documentation (RFC 3849)."""
    digits = digest(text.lower(), key, "ip")
    if ":" in text:
        return "2001:db8:" + ":".join(digits[place : place + 4] for place in range(0, 24, 4))
    number = int(digits[:7], 16)  # 28 bits
    return f"{240 + (number >> 24)}.{number >> 16 & 255}.{number >> 8 & 255}.{number & 255}"


def _secret(text: str, key: bytes) -> str:
    """Return a text of the same characters' classes; a key file is replaced by a label, for nothing else fits."""
    if "\n" in text or len(text) > 200:
        return f"[SECRET-{digest(text, key, 'secret')[:12]}]"
    seed = hmac.digest(key, f"secret|{text}".encode("utf-8", "replace"), "sha256")
    draws = iter(hashlib.shake_256(seed).digest(len(text)))
    alphabets = [alphabet_of(character) or character for character in text]
    head = re.match(r"(?:[A-Za-z]{2,8}[-_]|AKIA|ASIA|AIza|LTAI)?", text)
    num_kept = head.end() if head and head.end() * 3 < len(text) else 0
    image = "".join(alphabet[next(draws) % len(alphabet)] for alphabet in alphabets)
    return text[:num_kept] + image[num_kept:]


def _refilled(text: str, characters: str) -> str:
    """Return a text with its letters and digits replaced, one by one, and all else as it was."""
    replacement = iter(characters)
    return "".join(next(replacement) if c.isascii() and c.isalnum() else c for c in text)


_SUBSTITUTES: dict[str, Callable[[str, bytes], str]] = {
    "secret": _secret,
    "identity_card": _identity_card,
    "company_code": _company_code,
    "iban": _iban,
    "foreign_identity": _foreign_identity,
    "bank_card": _bank_card,
    "email": _email,
    "phone": _phone,
    "licence_plate": _licence_plate,
    "passport": _passport,
    "ip_address": _ip_address,
    "address": invented.address,
    "name": invented.name,
}
