"""CoNLL files: a word a line with its columns, a blank line after each sentence."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from typing import Any

_DOCUMENT = "-DOCSTART-"


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
