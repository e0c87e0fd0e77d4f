"""What the commands of `luthier prompt` share: the prompts, their rows, and encoders that are loaded once."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from luthier.core.errors import DataError

if TYPE_CHECKING:
    from luthier.prompts.prompt import Prompt
    from luthier.prompts.rows import PromptRow
    from luthier.prompts.sections import PromptFile
    from luthier.prompts.selection import Embed


def data_of(files: Sequence[tuple[Path, PromptFile]], data: Path | None) -> Path:
    """Return the evaluation set: as the option says, else the only one that the prompts name.

    Raises:
        DataError: None is named, or several are.
    """
    if data is not None:
        return data
    named = dict.fromkeys(path.parent / file.data for path, file in files if file.data is not None)
    if len(named) != 1:
        problem = f"the prompts name {len(named)} evaluation sets" if named else "no evaluation set is named"
        raise DataError(problem, where="--data", cure="--data FILE")
    return next(iter(named))


def opened(
    files: Sequence[tuple[Path, PromptFile]], rows: Sequence[PromptRow], embedder: Callable[[str], Embed]
) -> list[Prompt]:
    """Return prompts that are checked against their rows."""
    from luthier.prompts.prompt import Prompt

    return [Prompt(file, path, rows, embedder) for path, file in files]


@cache
def embedder_of(name: str) -> Embed:
    """Load an encoder; texts that several prompts compare are embedded once, those of a pool for all commands."""
    from luthier.core.home import cache_folder
    from luthier.models.embed import Embedder
    from luthier.models.load import locate_base, weights_hash
    from luthier.prompts.remembered import Remembered

    return Remembered(Embedder(name), weights_hash(locate_base(name)), cache_folder() / "embeddings")
