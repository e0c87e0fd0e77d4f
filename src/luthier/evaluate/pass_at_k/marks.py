"""Whether an answer in words or numbers is right."""

from __future__ import annotations

import itertools
import re
import unicodedata
from collections.abc import Callable, Mapping
from decimal import Decimal

from luthier.evaluate.answers import exact_match, folded

_ALPHABET = "A-Za-zÀ-ÖØ-öø-ɏͰ-ӿ"
"""Latin, Greek and Cyrillic: a digit right after one of these is part of a name or unit, after 是 it is a number."""
# A minus belongs to a number where nothing stands before it that could be subtracted from.
_OPERAND = rf"[{_ALPHABET}\d)\].%]"
_POWER = r"\^\{?[-+−]?\d+"
_NOT_READ = rf"[-−]?\$?\d[\d.,]*{_POWER}|[{_ALPHABET})\]}}]{_POWER}|[{_ALPHABET}]\d+(?:\.\d+)*"
"""10^2, whose parts are other numbers than itself; m^2; cm3."""
_DIGITS = r"\d+(?:,\d{3})+(?!\d)(?:\.\d+)?|\d+(?:\.\d+)?|\.\d+"
_NUMBER = re.compile(
    rf"{_NOT_READ}|((?<!{_OPERAND})[-−])?\$?({_DIGITS})(?:[eE]([-+−]?\d{{1,3}})(?![{_ALPHABET}\d]))?"
)
_TIMES_POWER_OF_TEN = re.compile(r"(?<=\d)\s*(?:[×*·xX]|\\times|\\cdot)\s*10\^\{?([-+−]?\d{1,3})(?!\d)\}?")
_SIGNED = re.compile(r"[-−]?\$?\d+(?:[.,]\d+)*%?")
_LETTER = "[0-9a-zß-ɏ]"
"""Of words that are written with spaces between them, in folded text."""
_NO_MINUS = "".join(rf"(?<!^[-−]{sign})(?<!(?!{_OPERAND}).[-−]{sign})" for sign in ("", r"\$"))
_FINAL = "####"


def is_exact(answer: str, reference: str) -> bool:
    """Whether an answer is the reference but for case, width, white space and punctuation at its ends."""
    return exact_match(answer, reference) == 1.0


def contains(answer: str, reference: str) -> bool:
    """Whether the reference stands in an answer, and not within a longer word or number; in folded text."""
    wanted = folded(reference)
    before = f"(?<!{_LETTER})" if re.match(_LETTER, wanted) else ""
    after = f"(?!{_LETTER})" if re.search(f"{_LETTER}$", wanted) else ""
    if _SIGNED.fullmatch(wanted):
        is_negative = wanted[0] in "-−"
        before += rf"(?<!{_OPERAND})" if is_negative else rf"(?<!\d[.,]){_NO_MINUS}"
        after += r"(?![.,]\d)"
    return bool(wanted) and re.search(before + re.escape(wanted) + after, folded(answer)) is not None


def last_number(text: str) -> Decimal | None:
    """Return the last number of a text, without separators of thousands; None where there is none."""
    plain = _TIMES_POWER_OF_TEN.sub(r"e\1", _without_width(text))
    found = [each for each in _NUMBER.finditer(plain) if each[2]]
    if not found:
        return None
    minus, digits, exponent = found[-1].groups()
    written = f"{minus or ''}{digits.replace(',', '')}e{exponent or 0}"
    return Decimal(written.replace("−", "-"))


def _without_width(text: str) -> str:
    """Return a text in Unicode's form NFKC, which by itself would make 10² a 102 and 10₂ too."""
    parts = []
    for kind, group in itertools.groupby(text, lambda character: unicodedata.decomposition(character)[:5]):
        part = unicodedata.normalize("NFKC", "".join(group))
        parts.append({"<supe": f"^{part}", "<sub>": ""}.get(kind, part))
    return unicodedata.normalize("NFKC", "".join(parts))


def number_of_reference(reference: str) -> Decimal | None:
    """Return the number after the last ``####``, as GSM8K marks it, or else the last number; None without one."""
    return last_number(reference.rpartition(_FINAL)[2])


def same_number(answer: str, reference: str) -> bool:
    """Whether the last number of an answer is that of the reference."""
    given = last_number(answer)
    return given is not None and given == number_of_reference(reference)


def why_unchecked(check: str, reference: str) -> str:
    """Say why no answer can be checked by a reference; empty where it can."""
    if check == "number":
        return "" if number_of_reference(reference) is not None else "its reference has no number"
    return "" if folded(reference) else "its reference is empty"


MARKS: Mapping[str, Callable[[str, str], bool]] = {
    "exact": is_exact,
    "number": same_number,
    "contains": contains,
}
"""From answer and reference to whether it is right."""
