"""A tokenizer with more tokens: which terms become one, which do not and why, and the pieces that each replaces."""

from __future__ import annotations

import copy
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from luthier.core.errors import DataError


@dataclass(frozen=True)
class Extension:
    """A tokenizer and what was added to it.

    Args:
        tokenizer: A copy of the base's with the new tokens.
        sources: By id of each new token, the ids of the pieces that the base cuts it into.
        added: The new tokens in the order of their ids.
        skipped: Terms that became no token, by reason.
    """

    tokenizer: Any
    sources: dict[int, list[int]]
    added: list[str]
    skipped: dict[str, list[str]] = field(default_factory=dict)


def check_extensible(tokenizer: Any) -> None:
    """Refuse a tokenizer to which no token can be added safely.

    Raises:
        DataError: It has no ``tokenizer.json``.
    """
    if not getattr(tokenizer, "is_fast", False):
        raise DataError(
            f"{type(tokenizer).__name__} has no tokenizer.json, so no token can be added to it",
            where="vocabulary",
            cure="convert it: AutoTokenizer.from_pretrained(folder, use_fast=True).save_pretrained(folder)",
        )


def keeps_blanks(tokenizer: Any) -> bool:
    """Tell whether the blank before a word is part of the word's token."""
    return str(tokenizer.decode(plain_ids(tokenizer, "a b"))) == "a b" and bool(
        tokenizer.decode(plain_ids(tokenizer, " word")[:1]).startswith(" ")
    )


def plain_ids(tokenizer: Any, text: str) -> list[int]:
    """Return the tokens of a text by itself; special tokens in it are plain characters."""
    encoded = tokenizer(text, add_special_tokens=False, split_special_tokens=True)
    return list(encoded["input_ids"])


def extend_tokenizer(tokenizer: Any, terms: Iterable[str], special: Sequence[str] = ()) -> Extension:
    """Return a copy of a tokenizer in which terms are one token each.

    Args:
        tokenizer: Of the base; it stays as it is.
        terms: With the blank before a word where the tokenizer keeps it.
        special: Marks that become special tokens.

    Raises:
        DataError: No token can be added to this tokenizer, or one would take the id of another.
    """
    from tokenizers import AddedToken

    check_extensible(tokenizer)
    extended = copy.deepcopy(tokenizer)
    known = tokenizer.get_vocab()
    skipped: dict[str, list[str]] = {}
    kinds = {text: False for text in terms} | {text: True for text in special}
    wanted: dict[bool, list[str]] = {True: [], False: []}
    for text, is_special in kinds.items():
        if reason := _obstacle(tokenizer, known, text, is_special=is_special):
            skipped.setdefault(reason, []).append(text)
        else:
            wanted[is_special].append(text)
    # All at once: the tokenizer builds its search tree anew with every call.
    normalizer = tokenizer.backend_tokenizer.normalizer
    is_folded = normalizer is not None and normalizer.normalize_str("A") == "a"
    for is_special, texts in wanted.items():
        # Where the tokenizer folds case, a term must meet the folded text.
        tokens = [AddedToken(t, normalized=is_folded and not is_special, special=is_special) for t in texts]
        extended.add_tokens(tokens, special_tokens=is_special)
    ids = extended.get_vocab()
    added = sorted((text for texts in wanted.values() for text in texts), key=ids.__getitem__)
    taken = set(known.values())
    if clash := next((text for text in added if ids[text] in taken), None):
        raise DataError(f"{clash!r} would take the id of another token", where="vocabulary.add_tokens")
    sources = {ids[text]: _pieces(tokenizer, text, is_special=kinds[text]) for text in added}
    return Extension(extended, sources, added, skipped)


def _obstacle(tokenizer: Any, known: Mapping[str, int], text: str, *, is_special: bool) -> str | None:
    """Return why a term can be no token of its own, as a short code that is counted."""
    if not text.strip():
        return "empty"
    if any(mark in text for mark in tokenizer.all_special_tokens):
        return "holds_special_token"
    if text in known or (not is_special and len(plain_ids(tokenizer, text)) == 1):
        return "already_one_token"
    return None if is_special or _comes_back(text) else "not_reversible"


def _comes_back(text: str) -> bool:
    """Tell whether a byte-level tokenizer decodes the token to its own text.

    Such tokenizers write the byte 0xE9 as the character é: a token whose every character stands for a byte, and one
    of them for another byte than its own, comes back broken.
    """
    return not all("!" <= c <= "~" or "\xa1" <= c <= "\xff" for c in text) or text.isascii()


def _pieces(tokenizer: Any, text: str, *, is_special: bool) -> list[int]:
    """Return the tokens that a term was before; of a special mark, those of the words inside it."""
    if is_special:
        inside = "".join(c if c.isalnum() else " " for c in text).strip()
        return plain_ids(tokenizer, inside or text)
    return plain_ids(tokenizer, text)
