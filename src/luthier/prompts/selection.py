"""Selection of examples: similar, diverse, random or fixed; never the evaluation row itself or its duplicate."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from luthier.core.errors import DataError
from luthier.prompts.leaks import LeakCheck
from luthier.prompts.rows import PromptRow

Embed = Callable[[Sequence[str]], NDArray[np.float32]]
"""Texts to vectors of unit length, shape [N, D]."""

_CANDIDATES_PER_EXAMPLE = 10
_BLOCK = 32


@dataclass
class LeftOut:
    """Pool rows that were nearest and are not shown, counted over all evaluation rows.

    Args:
        leaking: The evaluation row itself, or its duplicate.
        repeated: Equal to an example that is shown already.
    """

    leaking: int = 0
    repeated: int = 0


class Ranking(Protocol):
    """In which order pool rows are taken for a question."""

    def __call__(self, row: PromptRow, compared: str) -> Iterator[int]:
        """Yield numbers of pool rows, the best first."""


class Selector:
    """Chooses examples for one evaluation row after the other.

    Args:
        pool: Rows to choose from.
        asked: What each of them asks, without its answer: what the leak check compares.
        ranking: Their order for a question.
        count: Examples wanted.
        spread: Chooses ``count`` among more candidates; None takes the first ones.
    """

    def __init__(
        self,
        pool: Sequence[PromptRow],
        asked: Sequence[str],
        ranking: Ranking,
        count: int,
        spread: Callable[[str, Sequence[int], int], list[int]] | None = None,
    ) -> None:
        self._pool = pool
        self._check = LeakCheck(pool, asked)
        self._ranking = ranking
        self._count = count
        self._spread = spread
        self.left_out = LeftOut()

    def __call__(self, row: PromptRow, asked: str, compared: str) -> list[PromptRow]:
        """Return the examples of a row; the best stands last, nearest to the question.

        Args:
            row: The evaluation row.
            asked: What it asks, for the leak check.
            compared: Its text in the ranking.

        Raises:
            DataError: The pool has too few rows that may be shown.
        """
        wanted = self._count * (_CANDIDATES_PER_EXAMPLE if self._spread else 1)
        chosen = self._allowed(row, asked, compared, wanted)
        if len(chosen) < self._count:
            problem = f"its pool has {len(chosen)} examples that may be shown, {self._count} are asked for"
            raise DataError(problem, where=row.place, cure="a lower examples.count, or a larger pool")
        if self._spread:
            chosen = self._spread(compared, chosen, self._count)
        return [self._pool[number] for number in reversed(chosen)]

    def _allowed(self, row: PromptRow, asked: str, compared: str, wanted: int) -> list[int]:
        chosen: list[int] = []
        ranked = self._ranking(row, compared)
        while len(chosen) < wanted and (block := list(islice(ranked, max(_BLOCK, wanted)))):
            for number, leaks in zip(block, self._check.leaking(row, asked, block), strict=True):
                if len(chosen) == wanted:
                    break
                if leaks:
                    self.left_out.leaking += 1
                elif self._check.is_repeated(number, chosen):
                    self.left_out.repeated += 1
                else:
                    chosen.append(number)
        return chosen


class Fixed:
    """The same examples for every row.

    Args:
        examples: In the order in which they are shown.
        asked: What each of them asks.
    """

    def __init__(self, examples: Sequence[PromptRow], asked: Sequence[str]) -> None:
        self._examples = list(examples)
        self._check = LeakCheck(examples, asked)
        self.left_out = LeftOut()

    def __call__(self, row: PromptRow, asked: str, compared: str) -> list[PromptRow]:
        """Return the examples.

        Raises:
            DataError: One of them is the row, or its duplicate.
        """
        leaking = self._check.leaking(row, asked, range(len(self._examples)))
        if leaking.any():
            example = self._examples[int(np.flatnonzero(leaking)[0])]
            raise DataError(
                f"is shown its own answer: the fixed example of {example.place} is this row, or like it",
                where=row.place,
                cure="fix another example, or take the row out of the evaluation set",
            )
        return list(self._examples)


class BySimilarity:
    """Nearest first, by the cosine of embeddings.

    Args:
        embed: The encoder; one that remembers, as `luthier.prompts.remembered` does, embeds no text twice.
        texts: Of the pool, P of them.
    """

    def __init__(self, embed: Embed, texts: Sequence[str]) -> None:
        self._embed = embed
        self._pool_PD = embed(texts)

    def __call__(self, row: PromptRow, compared: str) -> Iterator[int]:
        """Yield pool rows by falling similarity; equal ones in their order."""
        similarity_P = self._pool_PD @ self._vector(compared)
        yield from np.argsort(-similarity_P, kind="stable").tolist()

    def spread(self, relevance: float) -> Callable[[str, Sequence[int], int], list[int]]:
        """Return a choice by maximal marginal relevance.

        Each next example has the highest ``relevance * similarity to the question - (1 - relevance) * similarity to
        the nearest chosen one``.

        Args:
            relevance: From 0 (only unlike each other) to 1 (only near to the question).

        Reference: J. Carbonell and J. Goldstein, The Use of MMR, Diversity-Based Reranking, 1998.
        """

        def choose(compared: str, candidates: Sequence[int], count: int) -> list[int]:
            near_C = self._pool_PD[list(candidates)] @ self._vector(compared)
            among_CC = self._pool_PD[list(candidates)] @ self._pool_PD[list(candidates)].T
            chosen: list[int] = []
            while len(chosen) < count:
                alike_C = among_CC[:, chosen].max(axis=1) if chosen else np.zeros(len(candidates))
                value_C = relevance * near_C - (1 - relevance) * alike_C
                value_C[chosen] = -np.inf
                chosen.append(int(value_C.argmax()))
            return [candidates[index] for index in sorted(chosen, key=lambda index: -near_C[index])]

        return choose

    def _vector(self, text: str) -> NDArray[np.float32]:
        return np.asarray(self._embed([text])[0])


class AtRandom:
    """Drawn for each row by itself, from a seed and the row's number: other rows do not change it.

    Args:
        seed: Of the draws.
        size: Rows of the pool.
    """

    def __init__(self, seed: int, size: int) -> None:
        self._seed = seed
        self._size = size

    def __call__(self, row: PromptRow, compared: str) -> Iterator[int]:
        """Yield pool rows in random order."""
        yield from np.random.default_rng([self._seed, row.number]).permutation(self._size).tolist()
