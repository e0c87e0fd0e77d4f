"""Make white space uniform: line ends, blank lines, trailing and repeated blanks."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import ClassVar, Literal

Rule = Literal["tidy", "collapse", "one_line"]

_LINE_END = re.compile("\r\n?|[\x0b\x0c\x85\u2028\u2029]")
_ODD_BLANK = re.compile("[\u00a0\u1680\u2000-\u200a\u202f\u205f]")
_UNUSUAL = re.compile("[\t\n\r\x0b\x0c\x85\u00a0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000]")
"""Any white space but a blank: a line without it, and without blanks in a row or at its ends, is uniform."""

_TRAILING = re.compile("[ \t\u3000]+(?=\n|\\Z)")
_BLANK_LINES = re.compile("\n{4,}")
_FIRST_LINES = re.compile("\\A\n+")
_BLANKS = re.compile("[ \t\u3000]+")
_LINE_START = re.compile("(?<=\n) |\\A ")
_TWO_BREAKS = re.compile("\n{3,}")
_ANY = re.compile("[ \t\u3000\n]+")


@dataclass(frozen=True)
class TidyWhiteSpace:
    """Make white space uniform.

    Args:
        rule: ``tidy`` keeps indentation, and with it code: line ends become line feeds, unusual blanks
            plain ones, blanks at the end of a line and at either end of the text go, two blank lines
            stay of more. ``collapse`` makes one blank of several, too, takes indentation away and keeps
            one blank line. ``one_line`` makes one blank of any white space.
    """

    name: ClassVar[str] = "white_space"
    hint: ClassVar[str] = rf"{_UNUSUAL.pattern}|  |\A | \z"
    """RE2 pattern of all texts that it changes; see `Rewriter`."""
    rule: Rule = "tidy"

    def __call__(self, text: str) -> str:
        """Return the text with uniform white space."""
        if not (_UNUSUAL.search(text) or "  " in text or text[:1] == " " or text[-1:] == " "):
            return text
        text = _ODD_BLANK.sub(" ", _LINE_END.sub("\n", text))
        if self.rule == "one_line":
            return _ANY.sub(" ", text).strip(" ")
        if self.rule == "collapse":
            text = _LINE_START.sub("", _BLANKS.sub(" ", text).replace(" \n", "\n"))
            return _TWO_BREAKS.sub("\n\n", text).strip(" \n")
        text = _TRAILING.sub("", text)
        return _FIRST_LINES.sub("", _BLANK_LINES.sub("\n\n\n", text)).rstrip("\n")
