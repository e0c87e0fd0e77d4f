"""A new tokenizer of the same kind, trained on the rows, and the old pieces that each of its tokens stands for."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

from luthier.core.errors import DataError
from luthier.data.vocabulary.extend import Extension, check_extensible, plain_ids

_BATCH = 1000


def retrain_tokenizer(
    tokenizer: Any, texts: Sequence[str], vocab_size: int, special: Sequence[str] = ()
) -> Extension:
    """Train a tokenizer with the base's normalisation, pre-tokenization and special tokens.

    Args:
        tokenizer: Of the base; it stays as it is.
        texts: The corpus.
        vocab_size: Tokens wanted; a small corpus may give fewer.
        special: Further marks that become special tokens.

    Returns:
        The tokenizer; ``sources`` has every id: one old token where the two have it in common.

    Raises:
        DataError: It cannot be trained, or a special token of the base would be lost.
    """
    check_extensible(tokenizer)

    def batches() -> Iterator[list[str]]:
        for start in range(0, len(texts), _BATCH):
            yield list(texts[start : start + _BATCH])

    try:
        trained = tokenizer.train_new_from_iterator(
            batches(), vocab_size=vocab_size, new_special_tokens=list(special) or None, show_progress=False
        )
    except Exception as error:  # the tokenizers library raises plain Exception
        raise DataError(f"no tokenizer can be trained: {error}", where="vocabulary.new_vocab_size") from error
    vocabulary = trained.get_vocab()
    if lost := [t for t in (*tokenizer.all_special_tokens, *special) if t not in vocabulary]:
        raise DataError(
            f"the new tokenizer would lose the special token {lost[0]!r}",
            where="vocabulary.new_vocab_size",
            cure="add tokens instead: vocabulary.add_tokens",
        )
    old, split = tokenizer.get_vocab(), _splitter(tokenizer)
    sources = {
        number: [old[token]] if token in old else split(token)
        for token, number in sorted(vocabulary.items(), key=lambda entry: entry[1])
    }
    added = [token for token, _ in sorted(vocabulary.items(), key=lambda e: e[1]) if token not in old]
    return Extension(trained, sources, added)


def _splitter(tokenizer: Any) -> Callable[[str], list[int]]:
    """Return a function from a token of the new vocabulary, as it is written there, to tokens of the old one."""
    model = tokenizer.backend_tokenizer.model

    def split(token: str) -> list[int]:
        # The old model itself cuts the written form, so that parts of a character, which are no text, have pieces too.
        try:
            ids = [piece.id for piece in model.tokenize(token)]
        except Exception:  # a word-piece model finds no piece at all for what begins with ##
            ids = []
        if not ids or tokenizer.unk_token_id in ids:
            ids = plain_ids(tokenizer, token.removeprefix("##"))
        return ids

    return split
