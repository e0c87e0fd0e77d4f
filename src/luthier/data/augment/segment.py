"""A text in pieces: words that may be altered, and all else, which stays: code, links, numbers, placeholders."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from random import Random

from luthier.data.augment.contract import WordOperation
from luthier.data.augment.language import HAN, has_chinese
from luthier.data.clean.segmentation import words_of

Span = tuple[int, int]
"""Start and end in characters."""

_PIECES = re.compile(
    rf"""
      (?P<kept> ```.*?(?:```|\Z) | `[^`\n]+` | \{{\{{.*?\}}\}} | \{{\w+\}} | \[[A-Z_]+\] | </?[A-Za-z][^<>]*> )
    | (?P<link> (?:https?://|www\.)[^\s{HAN}，。！？；）]+ | [\w.+-]+@[\w-]+\.[\w.]+ | [@\#][A-Za-z]\w* )
    | (?P<number> [A-Za-z_]*\d[A-Za-z0-9_.,:%/-]* )
    | (?P<chinese> [{HAN}]+ )
    | (?P<word> [A-Za-z\u00c0-\u024f]+ (?: ['\u2019][A-Za-z]+ )* )
    """,
    re.VERBOSE | re.DOTALL,
)


@dataclass(frozen=True, slots=True)
class Piece:
    """A part of a text.

    Args:
        text: As it stands there.
        is_word: Whether it may be altered.
    """

    text: str
    is_word: bool


def pieces_of(text: str) -> list[Piece]:
    """Return the pieces of a text; joined, they are the text.

    Raises:
        MissingDependencyError: The text is Chinese and jieba is not installed.
    """
    pieces: list[Piece] = []
    end = 0
    for match in _PIECES.finditer(text):
        if match.start() > end:
            pieces.append(Piece(text[end : match.start()], False))
        if match.lastgroup == "chinese":
            pieces += [Piece(word, True) for word in words_of(match.group())]
        else:
            pieces.append(Piece(match.group(), match.lastgroup == "word"))
        end = match.end()
    if end < len(text):
        pieces.append(Piece(text[end:], False))
    return pieces


def edit_text(
    text: str, operation: WordOperation, random: Random, *, frozen: Sequence[Span] = ()
) -> tuple[str, list[int]]:
    """Return a text with some of its words altered, and where its frozen spans start now.

    Args:
        text: A text.
        operation: What is done to its words.
        random: Makes every choice.
        frozen: Spans that stay as they are, in order and apart from each other.
    """
    pieces, frozen_at = _around(text, frozen)
    words = [piece.text for piece in pieces]
    edits = operation.edit_words(words, [piece.is_word for piece in pieces], random)
    if not edits:
        return text, [start for start, _ in frozen]
    parts: list[str] = []
    starts: list[int] = []
    length = 0
    is_after_gap = False
    for index, piece in enumerate(pieces):
        part = join(edits[index]) if index in edits else piece.text
        if index in frozen_at:
            starts.append(length)
        elif is_after_gap and not piece.is_word and part.startswith(" "):
            # A deleted word takes one of the spaces around it along.
            is_gap_wide = not parts or parts[-1].endswith((" ", "\n"))
            part = part[1:] if is_gap_wide else part
        is_after_gap = index in edits and not part
        if part:
            parts.append(part)
            length += len(part)
    return "".join(parts), starts


def join(words: Sequence[str]) -> str:
    """Return words as running text: with spaces, but not beside Chinese ones."""
    text = ""
    for word in words:
        is_apart = text and word and not has_chinese(text[-1]) and not has_chinese(word[0])
        text += f" {word}" if is_apart else word
    return text


def _around(text: str, frozen: Sequence[Span]) -> tuple[list[Piece], set[int]]:
    """Return the pieces of a text with each frozen span as one piece, and the places of those."""
    pieces: list[Piece] = []
    places: set[int] = set()
    end = 0
    for start, stop in frozen:
        pieces += pieces_of(text[end:start])
        places.add(len(pieces))
        pieces.append(Piece(text[start:stop], False))
        end = stop
    return pieces + pieces_of(text[end:]), places
