"""Whether an answer in words or numbers is right."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Mapping
from decimal import Decimal

from luthier.evaluate.answers import exact_match, folded

# A minus belongs to a number where nothing stands before it that could be subtracted from.
_NUMBER = re.compile(r"(?:(?<![\w)\].%])[-−])?\$?(\d+(?:,\d{3})+(?:\.\d+)?|\d+(?:\.\d+)?|\.\d+)")
_LETTER = "[0-9a-zß-ɏ]"
"""Of words that are written with spaces between them, in folded text."""
_FINAL = "####"


def is_exact(answer: str, reference: str) -> bool:
    """Whether an answer is the reference but for case, width, white space and punctuation at its ends."""
    return exact_match(answer, reference) == 1.0


def contains(answer: str, reference: str) -> bool:
    """Whether the reference stands in an answer, and not within a longer word or number; in folded text."""
    wanted = folded(reference)
    before = f"(?<!{_LETTER})" if re.match(_LETTER, wanted) else ""
    after = f"(?!{_LETTER})" if re.search(f"{_LETTER}$", wanted) else ""
    return bool(wanted) and re.search(before + re.escape(wanted) + after, folded(answer)) is not None


def last_number(text: str) -> Decimal | None:
    """Return the last number of a text, without separators of thousands; None where there is none."""
    found = list(_NUMBER.finditer(unicodedata.normalize("NFKC", text)))
    if not found:
        return None
    value = Decimal(found[-1].group(1).replace(",", ""))
    return -value if found[-1].group(0)[0] in "-−" else value


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
