"""The model card of a run: its facts, from what the stages recorded."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from luthier import __version__
from luthier.core.files import read_json, write_text
from luthier.evaluate.model_card import CARD_FILE, CardFacts, model_card
from luthier.models.catalogue import CATALOGUE
from luthier.models.load import is_adapter
from luthier.pipeline.job import Job

_MAIN_LANGUAGE = 0.1
"""Share of the rows from which on the card names a language."""


def write_card(job: Job) -> None:
    """Write the card into the result's folder, with what is known of it so far."""
    write_text(job.trained.folder / CARD_FILE, model_card(card_facts(job)))


def card_facts(job: Job) -> CardFacts:
    """Return what the records of a run tell of its model."""
    recipe, trained, report = job.recipe, job.trained, job.report
    told: dict[str, Any] = read_json(report.folder / "report.json") if report else {}
    findings = [f for each in told.get("examinations", ()) for f in each["findings"] if f["is_bad"]]
    base = recipe.model.base
    return CardFacts(
        name=recipe.name,
        base=Path(base).name if (job.plan.recipe_folder / base).exists() else base,
        objective=recipe.objective.name,
        method=recipe.method.name,
        is_adapter=is_adapter(trained.folder),
        hub_base=_hub_base(job),
        licence=_licence(job),
        languages=_languages(job),
        datasets=[Path(source.path).name for source in recipe.data.train],
        training={
            "Training rows": f"{job.dataset.num_train:,}",
            "Supervised tokens": f"{trained.num_items:,}",
            "Steps": f"{trained.step:,}",
            "Trained parameters": f"{trained.num_trainable:,} of {job.trainable.num_total:,}",
            "Learning rate": f"{recipe.train.learning_rate:g}, {recipe.train.lr_scheduler_type}",
            "Rows in a step": str(job.plan.rows_per_step),
            "Longest text": f"{recipe.data.max_length:,} tokens",
            "Type of the computation": recipe.model.dtype,
            "Seed": str(recipe.seed),
            "Hash of the rows": job.dataset.content_hash,
            "Hash of the base": job.input_hashes["base"],
            "Run": job.folder.name,
        },
        version=__version__,
        metrics=report.metrics if report else (),
        figures=report.figures if report else (),
        findings=[f"{finding['text']}: {finding['evidence']}" for finding in findings],
        gates=report.gates if report else (),
        confidence=recipe.evaluate.confidence,
        num_eval=job.dataset.num_eval,
    )


def _hub_base(job: Job) -> str | None:
    """Return the base's name on the hub: the catalogue's, or the one that the recipe took it by."""
    base = job.recipe.model.base
    if (entry := CATALOGUE.get(base)) is not None:
        return entry.hub_id
    is_local = (job.plan.recipe_folder / base).exists() or Path(base).exists()
    return base if base.count("/") == 1 and not is_local else None


def _licence(job: Job) -> str | None:
    """Return the base's licence where the catalogue or the base's own card names it."""
    if (entry := CATALOGUE.get(job.recipe.model.base)) is not None:
        return entry.licence.lower()
    card = job.plan.base.folder / CARD_FILE
    if not card.is_file():
        return None
    import yaml

    parts = card.read_text(encoding="utf-8").split("---", 2)
    try:
        metadata = yaml.safe_load(parts[1]) if len(parts) == 3 and not parts[0].strip() else None
    except yaml.YAMLError:
        return None
    licence = metadata.get("license") if isinstance(metadata, dict) else None
    return licence if isinstance(licence, str) else None


def _languages(job: Job) -> list[str]:
    """Return the languages that the profile counted, from a tenth of the rows on; none where nobody counted."""
    path = job.rows.folder / "profile.json"
    if not path.is_file():
        return []
    column = read_json(path).get("columns", {}).get("language", {})
    return [
        str(each["name"])
        for each in column.get("values", ())
        if each["share"] >= _MAIN_LANGUAGE and each["name"] != "und"
    ]
