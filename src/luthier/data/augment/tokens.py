"""Rows of tokens and tags: words change, and each keeps the tag that it had."""

from __future__ import annotations

import re
from collections.abc import Mapping
from random import Random
from typing import Any

from luthier.data.augment.contract import WordOperation
from luthier.data.augment.language import HAN

_TAG_FIELDS = ("tags", "ner_tags", "labels")
_WORD = re.compile(rf"[A-Za-z\u00c0-\u024f{HAN}]+(?:['\u2019-][A-Za-z]+)*")


def tag_field(row: Any) -> str | None:
    """Return the field with a tag for each of a row's tokens, or None where a row is not of tokens."""
    if not isinstance(row, Mapping) or not isinstance(row.get("tokens"), list) or not row["tokens"]:
        return None
    return next(
        (
            name
            for name in _TAG_FIELDS
            if isinstance(row.get(name), list) and len(row[name]) == len(row["tokens"])
        ),
        None,
    )


def alter_tokens(row: dict[str, Any], field: str, operation: WordOperation, random: Random) -> bool:
    """Alter tokens outside of entities; what comes in is outside as well, and every column stays aligned.

    Args:
        row: Altered in place.
        field: With the tags.
        operation: What is done.
        random: Makes every choice.

    Returns:
        Whether anything changed.
    """
    tokens, tags = row["tokens"], row[field]
    columns = [name for name, value in row.items() if isinstance(value, list) and len(value) == len(tokens)]
    outside = [tag == "O" or (tag == 0 and not isinstance(tag, bool)) for tag in tags]
    # The token behind an entity stays: without it, two entities could become one.
    is_free = [
        is_outside and isinstance(token, str) and bool(_WORD.fullmatch(token)) and (i == 0 or outside[i - 1])
        for i, (token, is_outside) in enumerate(zip(tokens, outside, strict=True))
    ]
    edits = operation.edit_words([str(token) for token in tokens], is_free, random)
    words = [edits.get(i, (token,)) for i, token in enumerate(tokens)]
    for name in columns:  # a CoNLL file has more than one value a token
        row[name] = [value for value, new in zip(row[name], words, strict=True) for _ in new]
    row["tokens"] = [word for new in words for word in new]
    return bool(row["tokens"] != tokens)
