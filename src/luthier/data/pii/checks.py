"""Check digits: Luhn, ISO 7064 MOD 11-2 and MOD 97-10, GB 32100 and GB 11714."""

from __future__ import annotations

COMPANY_ALPHABET = "0123456789ABCDEFGHJKLMNPQRTUWXY"
"""The digits of GB 32100: letters that look like digits (I, O, S, V, Z) are left out."""

_DOUBLED = (0, 2, 4, 6, 8, 1, 3, 5, 7, 9)
_MOD_11_2 = "0123456789X"
_MOD_11_2_WEIGHTS = tuple(pow(2, 17 - place, 11) for place in range(17))
_COMPANY_VALUES = {character: value for value, character in enumerate(COMPANY_ALPHABET)}
_COMPANY_WEIGHTS = tuple(pow(3, place, 31) for place in range(17))
_ORGANISATION_WEIGHTS = (3, 7, 9, 10, 5, 8, 4, 2)


def luhn_sum(digits: str) -> int:
    """Return the Luhn sum modulo 10 (ISO/IEC 7812-1): 0 for a number whose last digit is its check digit."""
    total = sum(map(int, digits[-1::-2])) + sum(_DOUBLED[int(digit)] for digit in digits[-2::-2])
    return total % 10


def luhn_digit(digits: str) -> str:
    """Return the check digit to be written after ``digits``."""
    return str(-luhn_sum(f"{digits}0") % 10)


def mod_11_2_digit(digits: str) -> str:
    """Return the check digit of ISO 7064 MOD 11-2, ``0`` to ``9`` or ``X``, to be written after ``digits``."""
    if len(digits) == 17:
        total = sum(weight * int(digit) for weight, digit in zip(_MOD_11_2_WEIGHTS, digits, strict=True))
        return _MOD_11_2[(12 - total) % 11]
    remainder = 0
    for digit in digits:
        remainder = (remainder + int(digit)) * 2 % 11
    return _MOD_11_2[(12 - remainder) % 11]


def company_digit(code: str) -> str:
    """Return the check character (GB 32100-2015) of the first 17 of a company code, in capitals."""
    pairs = zip(code[:17], _COMPANY_WEIGHTS, strict=True)
    total = sum(_COMPANY_VALUES[character] * weight for character, weight in pairs)
    return COMPANY_ALPHABET[-total % 31]


def organisation_digit(code: str) -> str:
    """Return the check character (GB 11714-1997) of an organisation code's first 8, in capitals."""
    total = sum(int(c, 36) * weight for c, weight in zip(code[:8], _ORGANISATION_WEIGHTS, strict=True))
    return _MOD_11_2[-total % 11]


def iban_remainder(iban: str) -> int:
    """Return an IBAN modulo 97 (ISO 13616): 1 where its two check digits agree."""
    return int("".join(str(int(c, 36)) for c in iban[4:] + iban[:4])) % 97


def iban_digits(country: str, account: str) -> str:
    """Return the two check digits of a country code and a basic account number."""
    return f"{98 - iban_remainder(f'{country}00{account}'):02d}"
