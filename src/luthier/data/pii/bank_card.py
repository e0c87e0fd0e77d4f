"""Bank cards (ISO/IEC 7812): a known issuer's prefix, the length that it has, and the Luhn digit."""

from __future__ import annotations

import re
from collections.abc import Iterator

from luthier.data.pii.checks import luhn_sum
from luthier.data.pii.context import has_cue, is_other_number
from luthier.data.pii.finding import Certainty, Finding
from luthier.data.pii.identity_card import fault_of

HINT = r"[0-9０-９]{4}[ -]?[0-9０-９]{4}"
_EDGE = r"(?<![0-9A-Za-z].)(?<![0-9]\..)"
_NUMBER = re.compile(
    rf"[1-9]{_EDGE}[0-9]{{3}}(?:[0-9]{{9,15}}"
    r"|([ -])[0-9]{4}\1[0-9]{4}\1[0-9]{4}(?:\1[0-9]{1,3})?"  # 4-4-4-4 and more
    r"|([ -])[0-9]{6}\2[0-9]{4,5}"  # 4-6-5, 4-6-4
    r")(?![0-9A-Za-z]|[.-][0-9])"
)
_CUE = re.compile(r"卡号|银行卡|信用卡|借记卡|储蓄卡|账号|帐号|\bcard\b|\bvisa\b|\bpan\b", re.IGNORECASE)

_ISSUERS: tuple[tuple[str, str, frozenset[int]], ...] = (
    ("1", "1", frozenset((15,))),  # UATP
    ("2200", "2204", frozenset(range(16, 20))),  # Mir
    ("2221", "2720", frozenset((16,))),  # Mastercard
    ("300", "305", frozenset(range(14, 20))),  # Diners Club
    ("3095", "3095", frozenset(range(14, 20))),
    ("34", "34", frozenset((15,))),  # American Express
    ("3528", "3589", frozenset(range(16, 20))),  # JCB
    ("36", "36", frozenset(range(14, 20))),  # Diners Club
    ("37", "37", frozenset((15,))),  # American Express
    ("38", "39", frozenset(range(14, 20))),  # Diners Club
    ("4", "4", frozenset((13, 16, 19))),  # Visa
    ("50", "50", frozenset(range(13, 20))),  # Maestro, Dankort
    ("51", "55", frozenset((16,))),  # Mastercard
    ("56", "58", frozenset(range(13, 20))),  # Maestro
    ("6011", "6011", frozenset(range(16, 20))),  # Discover
    ("60", "60", frozenset((16, 19))),  # RuPay, Chinese city banks
    ("62", "62", frozenset(range(16, 20))),  # UnionPay
    ("63", "63", frozenset(range(13, 20))),  # Maestro
    ("644", "659", frozenset(range(16, 20))),  # Discover
    ("67", "69", frozenset(range(13, 20))),  # Maestro, Chinese city banks
    ("81", "82", frozenset(range(16, 20))),  # UnionPay, RuPay
    ("9558", "9559", frozenset((16, 19))),  # Chinese debit cards older than UnionPay's prefix
    ("9792", "9792", frozenset((16,))),  # Troy
)
_SPARSE = ("1", "60", "68", "69")
"""Prefixes that few cards and many other numbers have: without a word for a card they prove nothing."""


def find(text: str) -> Iterator[Finding]:
    """Yield the bank cards in a text."""
    for match in _NUMBER.finditer(text):
        digits = match.group().replace(" ", "").replace("-", "")
        if not is_card(digits):
            continue
        is_mistyped_identity_card = fault_of(digits) == "check_digit"
        is_doubtful = digits.startswith(_SPARSE) or is_mistyped_identity_card
        is_uncertain = (is_doubtful and not has_cue(text, match.start(), _CUE)) or is_other_number(
            text, match.start(), _CUE
        )
        certainty: Certainty = "uncertain" if is_uncertain else "checked"
        yield Finding("bank_card", match.start(), match.end(), match.group(), certainty)


def is_card(digits: str) -> bool:
    """Tell whether digits have an issuer's prefix, a length that it gives, and their Luhn digit."""
    return luhn_sum(digits) == 0 and any(
        first <= digits[: len(first)] <= last and len(digits) in lengths
        for first, last, lengths in _BY_DIGIT[digits[0]]
    )


_BY_DIGIT = {digit: [issuer for issuer in _ISSUERS if issuer[0][0] == digit] for digit in "0123456789"}
