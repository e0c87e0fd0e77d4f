"""A saved model as something to compare with: how it is loaded, and how it reads the held-out rows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from luthier.core.errors import ModelError
from luthier.data.example import Rejection
from luthier.data.full_blocks import FillingEncoder
from luthier.data.sample import Sample
from luthier.evaluate.asked import Partner
from luthier.evaluate.same_text import BaseSide
from luthier.models.heads import saved_head
from luthier.models.load import load_trained, text_folder_of
from luthier.pipeline.job import Job
from luthier.pipeline.text_side import TextSide


def partner_of(job: Job, folder: Path, name: str, samples: Sequence[Sample]) -> Partner:
    """Return another model to compare a job's model with.

    Args:
        job: Of the model that is judged.
        folder: Of the other one.
        name: What reports and gates call it.
        samples: The held-out rows.

    Raises:
        ModelError: It does not do the same task, or reads other rows.
    """
    head = job.objective.head
    if saved_head(folder) != head:
        raise ModelError(
            "has another head or other classes, so that nothing can be compared", where=str(folder)
        )
    text = _text_of(job, folder)
    if text.hashes == job.text_hashes:
        side = None
    elif head is not None:
        raise ModelError("has another tokenizer, and would read other rows", where=str(folder))
    else:
        side = side_of(text, samples)
    return Partner(name, lambda: load_trained(folder, dtype=job.dtype)[0], side)


def side_of(text: TextSide, samples: Sequence[Sample]) -> BaseSide:
    """Return the held-out rows as another tokenizer and template read them."""
    encoder = text.objective.encoder
    if isinstance(encoder, FillingEncoder):
        encoder = encoder.by_row
    encoded = (encoder(sample) for sample in samples)
    rows = [example for result in encoded if not isinstance(result, Rejection) for example in result]
    return BaseSide(text.objective, rows, text.tokenizer, text.template)


def _text_of(job: Job, folder: Path) -> TextSide:
    """Return a model's own tokenizer and template, whatever template the recipe names for the one that is judged."""
    data = job.recipe.data.model_copy(update={"chat_template": None})
    plan = replace(job.plan, recipe=job.recipe.model_copy(update={"data": data}))
    return TextSide(plan, text_folder_of(folder), None)
