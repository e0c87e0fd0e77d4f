"""Sets of rows from other domains: read from files, or told from held-out rows by an attribute."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from luthier.core.errors import DataError
from luthier.core.wording import count_of
from luthier.data.encode import Encoder
from luthier.data.example import Example, Rejection
from luthier.data.full_blocks import FillingEncoder
from luthier.data.read import read_source
from luthier.data.sample import Sample
from luthier.evaluate.examination import HeldOut, Subject
from luthier.evaluate.measured import of_samples, spread
from luthier.recipe.evaluate_sections.generalization import NamedSet

IN_DOMAIN = "in the domain"


@dataclass(frozen=True)
class Domain:
    """Rows of one domain.

    Args:
        name: What gates and report call it.
        held_out: Its rows.
        num_trained: Rows that were left out, for they were trained.
        left_out: Rows that cannot be encoded.
    """

    name: str
    held_out: HeldOut
    num_trained: int = 0
    left_out: Sequence[Rejection] = ()


def read_domain(section: NamedSet, folder: Path, subject: Subject, trained: set[bytes], most: int) -> Domain:
    """Read a set from its file, without the rows that were trained.

    Args:
        section: Of the recipe.
        folder: Relative paths start here.
        subject: Encodes rows.
        trained: From `identities` of the training rows.
        most: Rows that are kept, spread evenly.

    Raises:
        DataError: No row can be used.
    """
    encoder = row_encoder(subject)
    samples: list[Sample] = []
    rows: list[Example] = []
    left_out: list[Rejection] = []
    num_trained = 0
    for entry in read_source(section.source, folder):
        encoded = encoder(entry) if isinstance(entry, Sample) else entry
        if isinstance(encoded, Rejection):
            left_out.append(encoded)
        elif identities(encoded) & trained:
            num_trained += 1
        elif isinstance(entry, Sample):
            samples.append(entry)
            rows += encoded
    if not samples:
        why = f": {left_out[0].place}: {left_out[0].detail}" if left_out else ""
        if num_trained:
            why = f": {count_of(num_trained, 'row')} of it were trained{why}"
        raise DataError(
            f"no row of the set {section.name} can be used{why}",
            where=str(folder / section.path),
            cure="name rows of the same kind as the training rows, which were not trained",
        )
    held_out = spread(HeldOut(rows, samples), most, by_sample=True)
    return Domain(section.name, held_out, num_trained, left_out)


def row_encoder(subject: Subject) -> Encoder:
    """Return what encodes one row by itself."""
    encoder = subject.objective.encoder
    return encoder.by_row if isinstance(encoder, FillingEncoder) else encoder


def identities(rows: Iterable[Example]) -> set[bytes]:
    """Return what tells equal rows: hashes of their tokens."""
    return {hashlib.blake2b(row.input_ids.tobytes(), digest_size=12).digest() for row in rows}


def domains_by(attribute: str, subject: Subject) -> tuple[HeldOut, list[Domain]]:
    """Return the held-out rows of the trained domains, and those of each other domain.

    Args:
        attribute: Tells the domain of a row.
        subject: Knows the training rows and the held-out rows.

    Raises:
        DataError: The training rows are not known, or no held-out row is of another domain.
    """
    where = "evaluate.generalization.by"
    if subject.trained is None or not subject.trained.samples:
        problem = "the training rows of this model are not known, so its domains are not"
        raise DataError(problem, where=where, cure="name files: evaluate.generalization.sets")
    known = {sample.attributes.get(attribute) for sample in subject.trained.samples}
    inside: list[Sample] = []
    outside: dict[str, list[Sample]] = {}
    for sample in subject.held_out.samples:
        value = sample.attributes.get(attribute)
        if value is None or value in known:
            inside.append(sample)
        else:
            outside.setdefault(value, []).append(sample)
    if not outside:
        raise DataError(
            f"no held-out row has a value of {attribute} that no training row has",
            where=where,
            cure=f"data.eval: {{split: 0.1, out_of_domain: {{field: {attribute}, values: [VALUE]}}}}",
        )
    found = [Domain(name, of_samples(subject.held_out, rows)) for name, rows in sorted(outside.items())]
    return of_samples(subject.held_out, inside), found


def notes_of(domains: Iterable[Domain]) -> dict[str, Mapping[str, int]]:
    """Return how many rows of each domain are measured, and how many are not and why."""
    return {
        each.name: {
            "rows": len(each.held_out.samples) or len(each.held_out.rows),
            "trained": each.num_trained,
            "left_out": len(each.left_out),
        }
        for each in domains
    }
