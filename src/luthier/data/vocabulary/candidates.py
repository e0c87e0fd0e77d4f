"""Candidates for new tokens: frequent words, phrases and runs of ideographs, as they stand in the texts.

A word is counted with the blank before it, for tokenizers write the blank and the word as one token. In writing
without blanks every run of up to eight characters is looked at; one that is no word is told by its neighbours: a
word meets many different ones on both sides, a fragment few.
"""

from __future__ import annotations

import math
import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from luthier.data.clean.stop_words import ENGLISH
from luthier.data.clean.units import IDEOGRAPH

_RUN = re.compile(f"[{IDEOGRAPH}]+")
_LETTER = rf"[^\W\d_{IDEOGRAPH}]"
_WORD = re.compile(rf" ?{_LETTER}(?:[-'’]?{_LETTER})+")
_LONGEST_RUN = 8
_LEAST_NEIGHBOURS_BITS = 1.0
"""Entropy of the characters beside a run, on its poorer side; a word has about 2, a fragment near 0."""
_LEAST_COHESION = 5.0
"""How many times more often the parts of a run stand together than by chance, at its weakest joint."""
_NEIGHBOURS_KEPT = 50_000


@dataclass(frozen=True, slots=True)
class Candidate:
    """A string that could become a token.

    Args:
        text: As it stands in the texts, with the blank before a word.
        frequency: How often it stands there, alone or inside longer ones.
    """

    text: str
    frequency: int


def find_candidates(texts: Sequence[str], *, min_frequency: int, max_words: int) -> list[Candidate]:
    """Return words, phrases and ideograph runs that are frequent enough, most frequent first.

    Args:
        texts: The corpus.
        min_frequency: Least number of times.
        max_words: Longest phrase of blank-separated words.
    """
    counts = Counter(_phrases(texts, min_frequency, max_words))
    counts.update(_ideograph_words(texts, min_frequency))
    return [Candidate(text, number) for text, number in sorted(counts.items(), key=lambda e: (-e[1], e[0]))]


def _phrases(texts: Sequence[str], min_frequency: int, max_words: int) -> dict[str, int]:
    """Count words and phrases; a longer phrase is looked at only where its first words are frequent."""
    known: dict[str, int] = {}
    for length in range(1, max_words + 1):
        counts: Counter[str] = Counter()
        for words in _word_runs(texts):
            for start in range(len(words) - length + 1):
                phrase = "".join(words[start : start + length])
                if length == 1 or phrase[: -len(words[start + length - 1])] in known:
                    counts[phrase] += 1
        frequent = {text: number for text, number in counts.items() if number >= min_frequency}
        if not frequent:
            break
        known |= frequent
    return {text: number for text, number in known.items() if not _hangs_on_grammar(text)}


def _hangs_on_grammar(phrase: str) -> bool:
    """Tell whether a phrase of several words begins or ends with one that only carries grammar, as `of the` does."""
    words = phrase.split()
    return len(words) > 1 and not ENGLISH.isdisjoint((words[0].lower(), words[-1].lower()))


def _word_runs(texts: Iterable[str]) -> Iterator[list[str]]:
    """Yield runs of words with nothing but one blank between them; each but a text's first carries its blank."""
    for text in texts:
        run: list[str] = []
        end = 0
        for found in _WORD.finditer(text):
            if run and (found.start() != end or not found[0].startswith(" ")):
                yield run
                run = []
            run.append(found[0])
            end = found.end()
        if run:
            yield run


def _ideograph_words(texts: Sequence[str], min_frequency: int) -> dict[str, int]:
    """Count single characters, and those runs of two and more that look like words."""
    runs = [run for text in texts for run in _RUN.findall(text)]
    singles = Counter(character for run in runs for character in run)
    total = sum(singles.values())
    counts: dict[str, int] = {c: number for c, number in singles.items() if number >= min_frequency}
    longest: dict[str, int] = counts
    for length in range(2, _LONGEST_RUN + 1):
        found: Counter[str] = Counter()
        for run in runs:
            for start in range(len(run) - length + 1):
                gram = run[start : start + length]
                if gram[:-1] in longest and gram[1:] in longest:
                    found[gram] += 1
        longest = {gram: number for gram, number in found.items() if number >= min_frequency}
        if not longest:
            break
        counts |= longest
    several = {
        g: n for g, n in counts.items() if len(g) > 1 and _cohesion(g, counts, total) >= _LEAST_COHESION
    }
    words = _with_free_sides(runs, several)
    return {gram: number for gram, number in counts.items() if len(gram) == 1 or gram in words}


def _cohesion(gram: str, counts: dict[str, int], total: int) -> float:
    """Return the least ratio, over the joints of a run, of its frequency to that of its parts meeting by chance."""
    return min(
        counts[gram] * total / (counts[gram[:joint]] * counts[gram[joint:]]) for joint in range(1, len(gram))
    )


def _with_free_sides(runs: Sequence[str], grams: dict[str, int]) -> set[str]:
    """Return the runs whose neighbours vary on both sides; the edge of a run counts as a neighbour each time anew."""
    kept = dict(sorted(grams.items(), key=lambda e: -e[1] * len(e[0]))[:_NEIGHBOURS_KEPT])
    sides: tuple[defaultdict[str, Counter[str]], ...] = (defaultdict(Counter), defaultdict(Counter))
    edges: tuple[Counter[str], ...] = (Counter(), Counter())
    longest = max(map(len, kept), default=1)
    for run in runs:
        for start in range(len(run)):
            for end in range(start + 2, min(start + longest, len(run)) + 1):
                gram = run[start:end]
                if gram not in kept:
                    continue
                for side, place in enumerate((start - 1, end)):
                    if 0 <= place < len(run):
                        sides[side][gram][run[place]] += 1
                    else:
                        edges[side][gram] += 1
    return {
        gram
        for gram in kept
        if min(_bits(sides[s][gram], edges[s][gram]) for s in (0, 1)) >= _LEAST_NEIGHBOURS_BITS
    }


def _bits(neighbours: Counter[str], num_edges: int) -> float:
    """Return the entropy of neighbours in bits."""
    total = neighbours.total() + num_edges
    of_characters = -sum(n / total * math.log2(n / total) for n in neighbours.values())
    return of_characters + num_edges / total * math.log2(total)
