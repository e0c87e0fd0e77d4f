"""Words to tokens: each token is known to belong to one word, and long rows are cut between words."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

from luthier.core.errors import DataError
from luthier.data.augment.language import has_chinese
from luthier.data.example import IGNORED
from luthier.data.tagging.schemes import split_tag

LabelOn = Literal["first", "last", "all"]
"""Which tokens of a word carry its tag."""


@dataclass(frozen=True)
class Window:
    """A run of whole words as the model sees them.

    Args:
        input_ids: With the tokenizer's own begin and end tokens.
        first_word: Number of its first word in the row, from 0.
        starts: Where the tokens of each word begin in ``input_ids``.
        ends: Where they end.
    """

    input_ids: list[int]
    first_word: int
    starts: list[int]
    ends: list[int]


class WordTokenizer:
    """Tokenizes rows of words as the text that they make, and knows the tokens of each word.

    Words are joined by blanks, not beside Chinese characters. Special tokens that stand in the words are plain
    characters. A word that a tokenizer makes nothing of, such as a lone zero-width blank, is its unknown token: so
    every word has a token, and no tag is lost.

    Args:
        tokenizer: Of the base.
        max_length: Longest window in tokens.

    Raises:
        DataError: The tokenizer is none of the fast ones, or a window would have no room for a word.
    """

    def __init__(self, tokenizer: Any, *, max_length: int) -> None:
        if not getattr(tokenizer, "is_fast", False):
            raise DataError(
                "the tokenizer is a slow one, which does not tell the words of its tokens",
                cure="save the base with its tokenizer.json",
            )
        self._backend = copy.deepcopy(tokenizer.backend_tokenizer)
        self._backend.no_padding()
        self._backend.no_truncation()
        self._backend.encode_special_tokens = True
        self._unknown = tokenizer.unk_token_id
        self._before, self._after = self._frame()
        self.num_word_tokens = max_length - len(self._before) - len(self._after)
        if self.num_word_tokens < 1:
            raise DataError(
                f"{max_length} tokens leave no room for a word beside the tokenizer's own "
                f"{len(self._before) + len(self._after)}",
                where="data.max_length",
                cure="raise it",
            )
        joined = self._backend.encode("one two", add_special_tokens=False).ids
        # Some tokenizers see the blank before a word, others put their mark before each piece themselves.
        self._blank = " " if sum(self._tokens_of_pieces(["one", " two"]), []) == joined else ""

    def tokens_of(self, words: Sequence[str]) -> list[list[int]]:
        """Return the tokens of each word; every word has some.

        Raises:
            DataError: A word has none, and the tokenizer has no unknown token to stand for it.
        """
        pieces = [
            word
            if place == 0 or has_chinese(words[place - 1][-1]) or has_chinese(word[0])
            else self._blank + word
            for place, word in enumerate(words)
        ]
        tokens = self._tokens_of_pieces(pieces)
        for place, own in enumerate(tokens):
            if not own and self._unknown is None:
                raise DataError(f"the tokenizer makes no token of word {place + 1}, {words[place]!r}")
        return [own or [self._unknown] for own in tokens]

    def windows(self, words: Sequence[str]) -> tuple[list[Window], int]:
        """Cut a row into windows between words; each word is in exactly one.

        Returns:
            The windows, and the number of tokens that were cut off words which fill more than a window.
        """
        tokens = self.tokens_of(words)
        kept = [own[: self.num_word_tokens] for own in tokens]
        num_cut = sum(map(len, tokens)) - sum(map(len, kept))
        runs: list[list[list[int]]] = [[]]
        length = 0
        for own in kept:
            if length + len(own) > self.num_word_tokens:
                runs.append([])
                length = 0
            runs[-1].append(own)
            length += len(own)
        windows: list[Window] = []
        first_word = 0
        for run in runs:
            windows.append(self._window(run, first_word))
            first_word += len(run)
        return windows, num_cut

    def _window(self, run: Sequence[Sequence[int]], first_word: int) -> Window:
        ids, starts, ends = list(self._before), [], []
        for own in run:
            starts.append(len(ids))
            ids += own
            ends.append(len(ids))
        return Window(ids + self._after, first_word, starts, ends)

    def _tokens_of_pieces(self, pieces: Sequence[str]) -> list[list[int]]:
        encoded = self._backend.encode(list(pieces), is_pretokenized=True, add_special_tokens=False)
        tokens: list[list[int]] = [[] for _ in pieces]
        for token, word in zip(encoded.ids, encoded.word_ids, strict=True):
            if word is not None:
                tokens[word].append(token)
        return tokens

    def _frame(self) -> tuple[list[int], list[int]]:
        """Return the tokens that the tokenizer puts before and after every text."""
        plain = self._backend.encode("a", add_special_tokens=False).ids
        framed = self._backend.encode("a").ids
        for start in range(len(framed) - len(plain) + 1):
            if framed[start : start + len(plain)] == plain:
                return framed[:start], framed[start + len(plain) :]
        return [], []


def labels_of(window: Window, tags: Sequence[str], label_ids: dict[str, int], label_on: LabelOn) -> list[int]:
    """Return the label of each token of a window, `IGNORED` where none is.

    Where all tokens of a word carry its tag, those after the first of a word that begins an entity are inside it:
    ``B-person`` goes on as ``I-person``, where that is a tag.

    Args:
        window: Of the row.
        tags: Of the whole row.
        label_ids: Number of each tag.
        label_on: Which tokens of a word carry its tag.
    """
    labels = [IGNORED] * len(window.input_ids)
    for place, (start, end) in enumerate(zip(window.starts, window.ends, strict=True)):
        tag = tags[window.first_word + place]
        if label_on == "last":
            labels[end - 1] = label_ids[tag]
            continue
        labels[start] = label_ids[tag]
        if label_on == "all":
            prefix, kind = split_tag(tag)
            inside = label_ids.get(f"I-{kind}") if prefix == "B" else None
            labels[start + 1 : end] = [label_ids[tag] if inside is None else inside] * (end - start - 1)
    return labels


def token_of_words(window: Window, label_on: LabelOn) -> list[int]:
    """Return the token of a window from which the tag of each of its words is read: the first, or the last."""
    return [end - 1 for end in window.ends] if label_on == "last" else list(window.starts)
