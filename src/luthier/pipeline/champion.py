"""The registered champion as something to compare with: which version it is, and how it reads the held-out rows."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

from luthier.core.errors import RegistryError
from luthier.data.example import Rejection
from luthier.data.full_blocks import FillingEncoder
from luthier.data.prepare import read_samples
from luthier.evaluate.asked import Champion, Partner
from luthier.evaluate.same_text import BaseSide
from luthier.models.chat_model import ChatModel
from luthier.models.heads import saved_head
from luthier.models.load import load_trained, text_folder_of
from luthier.pipeline.job import Job
from luthier.pipeline.text_side import TextSide
from luthier.registry.address import sqlite_file, store_uri
from luthier.registry.mlflow_registry import Registry


def champion_uri(job: Job) -> str | None:
    """Return the version that gates compare with, empty while there is none; None where no gate asks for it."""
    section = job.recipe.register_
    if section is None or all(gate.relative_to != "champion" for gate in job.recipe.gates):
        return None
    file = sqlite_file(store_uri(section.tracking_uri))
    if file is not None and not file.exists():
        return ""  # the first model makes the registry
    registry = Registry(section.tracking_uri)
    version = registry.champion(section.name, section.champion_alias, run=job.folder.name)
    return version.uri if version else ""


def find_champion(job: Job) -> Champion | None:
    """Return the champion, ready to be compared with; None where no gate asks for it."""
    uri, section = champion_uri(job), job.recipe.register_
    if uri is None or section is None:
        return None
    if not uri:
        why = f"no version of {section.name} has the alias {section.champion_alias} yet"
        return Champion(why_none=why, is_absent=True)
    try:
        folder = Registry(section.tracking_uri).model_folder(uri)
    except RegistryError as error:
        return Champion(uri, why_none=f"the champion {uri} cannot be read: {error.problem}")
    if saved_head(folder) != job.objective.head:
        return Champion(uri, why_none=f"the champion {uri} has another head or other classes")
    if job.objective.head is not None:
        return _with_head(job, uri, folder)
    text = _text_of(job, folder)
    side = None if text.hashes == job.text_hashes else side_of(job, text)

    def load() -> Any:
        return ChatModel.from_folder(folder, base_form="packed").model

    return Champion(uri, Partner("champion", load, side))


def _with_head(job: Job, uri: str, folder: Path) -> Champion:
    if _text_of(job, folder).hashes != job.text_hashes:
        return Champion(uri, why_none=f"the champion {uri} has another tokenizer, and reads other rows")
    return Champion(uri, Partner("champion", lambda: load_trained(folder, dtype=job.dtype)[0]))


def _text_of(job: Job, folder: Path) -> TextSide:
    """Return the champion's own tokenizer and template, whatever template the recipe names for its own model."""
    data = job.recipe.data.model_copy(update={"chat_template": None})
    plan = replace(job.plan, recipe=job.recipe.model_copy(update={"data": data}))
    return TextSide(plan, text_folder_of(folder), None)


def side_of(job: Job, text: TextSide) -> BaseSide:
    """Return the held-out rows as another tokenizer and template read them."""
    encoder = text.objective.encoder
    if isinstance(encoder, FillingEncoder):
        encoder = encoder.by_row
    encoded = (encoder(sample) for sample in read_samples(job.dataset, "eval"))
    rows = [example for result in encoded if not isinstance(result, Rejection) for example in result]
    return BaseSide(text.objective, rows, text.tokenizer, text.template)
