"""Files of terms: one in a line, as people write and review them."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from luthier.core.errors import DataError
from luthier.core.files import write_text


def read_terms(path: Path) -> list[str]:
    """Return the terms of a file; blank lines and those that begin with ``#`` are no terms.

    Raises:
        DataError: The file is missing, no text, or has no term.
    """
    try:
        lines = path.read_text(encoding="utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(
            f"the terms cannot be read: {error}",
            where=str(path),
            cure="a UTF-8 text file, a term in each line",
        ) from error
    terms = [line.strip() for line in lines if line.strip() and not line.startswith("#")]
    if not terms:
        raise DataError("the file has no term", where=str(path), cure="one term in each line")
    return list(dict.fromkeys(terms))


def write_terms(path: Path, terms: Iterable[str]) -> None:
    """Write terms, without the blank that their tokens begin with; each once, in their order."""
    lines = dict.fromkeys(term.strip() for term in terms)
    write_text(path, "\n".join(lines) + "\n")
