"""A model that was made anywhere as the subject of an evaluation: its text side, objective and classes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from luthier.core.errors import DataError, ModelError, RecipeError
from luthier.core.events import EventLog
from luthier.core.run_folder import RunFolder
from luthier.data.classification.encode import ClassificationEncoder
from luthier.data.sample import Sample
from luthier.data.tagging.encode import TagEncoder
from luthier.models.heads import TaskHead, saved_head
from luthier.models.load import ResultRecord, base_of_adapter, is_adapter, text_folder_of, weights_hash
from luthier.models.multi_head import MultiHead
from luthier.objectives.contract import Objective
from luthier.pipeline.job import Job
from luthier.plan.base_facts import read_base_facts
from luthier.plan.checks import check_recipe
from luthier.plan.hardware import detect_hardware
from luthier.plan.resolve import Plan, with_derived_values
from luthier.plan.trainable import Trainable
from luthier.recipe.load import LoadedRecipe

_OBJECTIVES = {
    "SEQ_CLS": "classification",
    "TOKEN_CLS": "token_classification",
    "QUESTION_ANS": "question_answering",
}


def objective_of(folder: Path) -> dict[str, Any]:
    """Return the objective section that fits a saved model: its own training's, or what its head tells.

    Raises:
        ModelError: It has several tasks' heads.
    """
    record, head = ResultRecord.load(folder), saved_head(folder)
    if isinstance(head, MultiHead):
        raise ModelError(
            f"has several tasks: {', '.join(head.heads)}",
            where=str(folder),
            cure="name its run folder, whose own recipe says how they are judged",
        )
    if record and record.objective:
        return {key: value for key, value in record.objective.items() if key != "max_length"}
    if head is None:
        from luthier.models.chat_model import load_text_side

        _, template = load_text_side(text_folder_of(folder))
        return {"name": "sft" if template else "pretraining"}
    section: dict[str, Any] = {"name": _OBJECTIVES[head.task]}
    if head.problem_type == "multi_label_classification":
        section["problem"] = "multi_label"
    return section


def foreign_job(loaded: LoadedRecipe, folder: Path, out: Path, events: EventLog) -> Job:
    """Return a job of which nothing was done: what turns rows into tokens and judges them, and no stage's result.

    Args:
        loaded: The recipe of the evaluation; its base is ``folder``.
        folder: Of the model.
        out: Gets the report.
        events: Told about the progress.

    Raises:
        RecipeError: All faults of the recipe.
    """
    faults = list(check_recipe(loaded.recipe, loaded.origins.keys(), loaded.folder))
    if faults:
        raise RecipeError(faults, source=f"recipe {loaded.recipe.name}")
    trunk = base_of_adapter(folder) if is_adapter(folder) else folder
    facts = read_base_facts(trunk)
    hardware = detect_hardware()
    recipe, origins = with_derived_values(loaded.recipe, facts, hardware)
    plan = Plan(
        recipe=recipe,
        origins={**loaded.origins, **origins},
        recipe_folder=loaded.folder,
        recipe_text=loaded.text,
        overrides=loaded.overrides,
        base=replace(facts, folder=text_folder_of(folder)),
        trainable=Trainable(0, 0),
        hardware=hardware,
    )
    return Job(plan, RunFolder(out), events, {"base": weights_hash(folder)})


def recall_classes(objective: Objective, head: TaskHead | None, samples: Sequence[Sample]) -> None:
    """Tell an objective the classes of a saved head, in its order; the baseline is told from the held-out rows."""
    encoder = objective.encoder
    if head is None or not head.labels:
        return
    counts = Counter(_said(samples, head))
    own = {"labels": list(head.labels), "counts": [counts[label] for label in head.labels]}
    if isinstance(encoder, ClassificationEncoder):
        num_rows = sum(sample.labels is not None for sample in samples)
        encoder.recall({**own, "num_rows": num_rows, "weights": [1.0] * len(head.labels)})
    elif isinstance(encoder, TagEncoder):
        encoder.recall({**encoder.learn(samples), **own})


def check_labels(head: TaskHead | None, samples: Sequence[Sample]) -> None:
    """Refuse rows that cannot tell a good model of a head's task from a bad one.

    Raises:
        DataError: They have no labels, labels that the model does not know, or all the same one.
    """
    if head is not None and not isinstance(head, MultiHead) and head.labels:
        field = "tags" if head.task == "TOKEN_CLS" else "label"
        _check_said(_said(samples, head), head.labels, field)


def _said(samples: Sequence[Sample], head: TaskHead) -> list[str]:
    """Return the labels or tags of all rows."""
    if head.task == "TOKEN_CLS":
        return [tag for sample in samples for tag in sample.tags or ()]
    return [label for sample in samples for label in sample.labels or ()]


def _check_said(said: Sequence[str], known: Sequence[str], field: str) -> None:
    if not said:
        raise DataError(
            f"no held-out row has a {field}, and nothing can be judged without",
            where="data.eval.sources",
            cure=f"columns: {{{field}: COLUMN}} at the source names theirs; `luthier data inspect FILE` shows the rows",
        )
    shared = set(said) & set(known)
    if not shared:
        raise DataError(
            f"the rows say {', '.join(sorted(set(said))[:5])}, the model knows {', '.join(known[:5])}",
            where="data.eval.sources",
            cure="write the labels as the model's config.json has them in id2label",
        )
    if len(set(said)) == 1:
        raise DataError(
            f"all held-out rows have the {field} {said[0]}: a model that always says so would be perfect",
            where="data.eval.sources",
            cure="add rows of the other classes",
        )
