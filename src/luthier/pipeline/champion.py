"""The registered champion: which version it is, and whether it can be compared with."""

from __future__ import annotations

from collections.abc import Sequence

from luthier.core.errors import LuthierError
from luthier.data.sample import Sample
from luthier.evaluate.asked import Champion
from luthier.pipeline.job import Job
from luthier.pipeline.partner import partner_of
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


def find_champion(job: Job, samples: Sequence[Sample]) -> Champion | None:
    """Return the champion, ready to be compared with; None where no gate asks for it."""
    uri, section = champion_uri(job), job.recipe.register_
    if uri is None or section is None:
        return None
    if not uri:
        why = f"no version of {section.name} has the alias {section.champion_alias} yet"
        return Champion(why_none=why, is_absent=True)
    try:
        registry = Registry(section.tracking_uri)
        folder = registry.model_folder(uri)
        rows = registry.resolve(uri).lineage.get("rows_hash")
        # A model that was made elsewhere has no dataset of ours, and nothing proves what it was trained on.
        alike = "data" in job.artifacts and rows == job.dataset.content_hash
        return Champion(uri, partner_of(job, folder, "champion", samples), trained_alike=alike)
    except LuthierError as error:
        return Champion(uri, why_none=f"the champion {uri} cannot be compared with: {error.problem}")
