"""The rows of a recipe by themselves: what they depend on, and how they are made where nothing is trained."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from luthier import __version__
from luthier.core.errors import RecipeError
from luthier.core.events import EventLog, Listener
from luthier.core.files import remove_partial, write_text
from luthier.core.hashing import fingerprint, short
from luthier.core.run_folder import RunFolder
from luthier.core.version_address import is_address
from luthier.data.curate.flow import Models
from luthier.data.curate.stage import CuratedRows, curate
from luthier.data.read import content_hash, source_hash
from luthier.plan.checks import check_data
from luthier.recipe.load import LoadedData
from luthier.recipe.schema import DataSection
from luthier.recipe.source_section import Source

ENCODING_KEYS = {"max_length", "too_long", "chat_template", "train_share"}
"""Keys of `data` for the encoding of rows, and which of them are trained; the others say which rows there are."""


def _embedder(name: str) -> Any:
    from luthier.models.embed import Embedder

    return Embedder(name)


def _writer(name: str) -> Any:
    from luthier.models.chat_writer import ChatWriter

    return ChatWriter(name)


DATA_MODELS = Models(load_embed=_embedder, load_write=_writer)
"""The models that steps over rows may ask for."""


def data_hash(data: DataSection, recipe_folder: Path) -> str:
    """Return one hash over everything outside the recipe that its rows follow from.

    Raises:
        DataError: A file is missing.
    """
    sources = source_hash([*data.train, *data.eval.sources], recipe_folder)
    named = [*data.decontaminate.against, *(getattr(step, "file", None) for step in data.augment.operations)]
    paths = [recipe_folder / name for name in named if name]
    files = [content_hash(path) for path in paths if path.is_file() or is_address(path)]
    return fingerprint(sources, files) if files else sources


def with_pinned_versions(data: DataSection, recipe_folder: Path) -> DataSection:
    """Return the section with the number of a version wherever it names one by a tag, a time or as the latest.

    What was looked up once is read, even if somebody moves the tag meanwhile.

    Raises:
        DataError: There is no such version, or no right to read it.
    """
    from luthier.data.versions.address import pinned

    def pinned_sources(sources: list[Source]) -> list[Source]:
        return [each.model_copy(update={"path": pinned(each.path, recipe_folder)}) for each in sources]

    against = tuple(pinned(name, recipe_folder) for name in data.decontaminate.against)
    changes = {
        "train": pinned_sources(data.train),
        "eval": data.eval.model_copy(update={"sources": pinned_sources(data.eval.sources)}),
        "decontaminate": data.decontaminate.model_copy(update={"against": against}),
    }
    return data.model_copy(update=changes)


def rows_fingerprint(data: DataSection, seed: int, inputs: str) -> str:
    """Return the fingerprint of the rows stage.

    Args:
        data: Of the recipe.
        seed: Of the recipe.
        inputs: From `data_hash`.
    """
    what = data.model_dump(by_alias=True, exclude={*ENCODING_KEYS, "processes"})
    return fingerprint(__version__, what, seed, inputs)


def prepare_rows(
    loaded: LoadedData, *, fresh: bool = False, listeners: tuple[Listener, ...] = ()
) -> tuple[RunFolder, CuratedRows]:
    """Make the rows of a recipe, or find them where they were made before.

    Args:
        loaded: The recipe.
        fresh: Delete what an earlier start left.
        listeners: Told about every event.

    Returns:
        The run folder, which holds them in ``rows/``, and what they are.

    Raises:
        RecipeError: An option cannot take effect, or a file is missing.
        DataError: Too little of the rows can be used.
    """
    recipe = loaded.recipe
    faults = list(check_data(recipe.data, loaded.origins.keys(), loaded.folder))
    if faults:
        raise RecipeError(faults, source=f"recipe {recipe.name}")
    data = with_pinned_versions(recipe.data, loaded.folder)
    digest = rows_fingerprint(data, recipe.seed, data_hash(data, loaded.folder))
    folder = RunFolder(Path(recipe.runs_dir) / f"{recipe.name}-{short(digest)}")
    events = EventLog(folder.events_path)
    for listener in listeners:
        events.listen(listener)
    with folder.exclusive():
        if fresh:
            folder.clear()
        remove_partial(folder.path)
        found = CuratedRows.load(folder.path / "rows")
        if found and found.fingerprint == digest:
            events.emit("stage", stage="rows", status="cached")
            return folder, found
        write_text(folder.path / "recipe.yaml", loaded.text)
        events.emit("stage", stage="rows", status="begin")
        rows = curate(
            data,
            folder=folder.path / "rows",
            recipe_folder=loaded.folder,
            seed=recipe.seed,
            fingerprint=digest,
            models=DATA_MODELS,
            events=events,
        )
        events.emit("stage", stage="rows", status="done")
    return folder, rows
