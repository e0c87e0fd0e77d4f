"""CoNLL files: a word a line with its columns, a blank line after each sentence."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from itertools import zip_longest
from typing import Any

_DOCUMENT = "-DOCSTART-"
_BREAKS = frozenset("\t\n\r")


def sentences_of(lines: Iterable[str]) -> Iterator[dict[str, Any]]:
    """Yield a row per sentence: ``tokens`` from the first column, ``tags`` from the last.

    Columns between them are ``column_2`` and so on. Columns are divided by tabs, where a line has one, or
    by blanks. Comments before a sentence (``# sent_id = 3``) and lines that begin a document are passed over.
    A word whose line has another number of columns than the others has the tag None.
    """
    block: list[str] = []
    for line in lines:
        if line.strip():
            block.append(line.rstrip("\r\n"))
        elif block:
            yield from _sentence(block)
            block = []
    if block:
        yield from _sentence(block)


def lines_of(row: Any) -> str | None:
    """Return a row of `sentences_of` as lines, or None where a CoNLL file cannot hold it."""
    names = list(row) if isinstance(row, Mapping) else []
    between = [f"column_{n}" for n in range(2, len(names))]
    if set(names) != {"tokens", "tags", *between}:
        return None
    columns = [row[name] for name in ("tokens", *between, "tags")]
    if any(not isinstance(column, list) or not column for column in columns):
        return None
    words = list(zip_longest(*columns))
    if any(not isinstance(cell, str) or not cell.strip() or set(cell) & _BREAKS for w in words for cell in w):
        return None
    if words[0][0].startswith("# ") or words[0][0] == _DOCUMENT:  # would be read as none of the sentence
        return None
    return "".join("\t".join(word) + "\n" for word in words)


def _sentence(lines: list[str]) -> Iterator[dict[str, Any]]:
    words = [_columns(line) for line in lines]
    width = Counter(map(len, words)).most_common(1)[0][0]
    while words and lines[len(lines) - len(words)].startswith("# ") and len(words[0]) != width:
        del words[0]
    if not words or [word[0] for word in words] == [_DOCUMENT]:
        return
    is_whole = width > 1 and all(len(word) == width for word in words)
    between = {f"column_{n + 1}": [word[n] for word in words] for n in range(1, width - 1) if is_whole}
    tags = [word[-1] if len(word) == width > 1 else None for word in words]
    yield {"tokens": [word[0] for word in words], **between, "tags": tags}


def _columns(line: str) -> list[str]:
    return line.split("\t") if "\t" in line else [part for part in line.split(" ") if part]
