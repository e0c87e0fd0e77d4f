"""The way of the rows: read, clean, mask, deduplicate, decontaminate, split, multiply, balance, in this order."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass, field
from functools import partial, reduce
from itertools import chain
from pathlib import Path
from typing import Any

import pyarrow

from luthier.data.annotation import label_error_step
from luthier.data.annotation.label_error_step import Place
from luthier.data.annotation.label_errors import Findings
from luthier.data.augment import build as augment
from luthier.data.augment.contract import Embed, Write
from luthier.data.augment.counts import AugmentCounts
from luthier.data.augment.held_out import held_out_keys
from luthier.data.augment.step import Augmentation
from luthier.data.balance import steps as balance
from luthier.data.balance.step import Balance
from luthier.data.budget import check_rows_left
from luthier.data.clean import build as clean
from luthier.data.contamination import Decontaminate
from luthier.data.curate import evaluation_rows
from luthier.data.curate.divide import Division
from luthier.data.duplicates import steps as duplicates
from luthier.data.duplicates.exact import EqualSamples
from luthier.data.duplicates.remove import RemoveDuplicates
from luthier.data.example import Rejection
from luthier.data.operators.batch import batches_of_samples
from luthier.data.operators.execute import Step, apply
from luthier.data.operators.files import open_batches
from luthier.data.operators.spool import BatchSpool
from luthier.data.pii import section as pii
from luthier.data.pii.report import PiiReport, collected
from luthier.data.pii.vault import Append, writing_map
from luthier.data.read import read_source
from luthier.recipe.schema import DataSection, EvalSection
from luthier.recipe.source_section import Source

PII_MAP_FILE = "pii_map.jsonl"


@dataclass(frozen=True)
class Models:
    """The models that steps may ask for, by name; none is loaded unless a step does.

    Args:
        load_embed: A sentence encoder: from texts to unit vectors.
        load_write: A chat model: from prompts to answers.
    """

    load_embed: Callable[[str], Embed]
    load_write: Callable[[str], Write]


@dataclass(frozen=True)
class Cleaned:
    """Rows before they are divided.

    Args:
        train: Of ``data.train``.
        held_out: Of the evaluation files.
    """

    train: BatchSpool
    held_out: BatchSpool


@dataclass
class Told:
    """What the steps tell beside the rows themselves."""

    pii: PiiReport | None = None
    label_errors: Findings | None = None
    suspects: list[dict[str, Any]] = field(default_factory=list)
    augmented: AugmentCounts | None = None
    balance: Balance | None = None


@dataclass
class Curation:
    """The rows of a recipe on their way.

    Args:
        data: Of the recipe.
        recipe_folder: Relative paths start here.
        scratch: For files between the steps; gets the map of personal data, where one is kept.
        seed: Of every draw.
        models: For steps that need one.
        on_rows: Called with the number of rows read so far.
        on_step: Called with the name of each step as it begins.
    """

    data: DataSection
    recipe_folder: Path
    scratch: Path
    seed: int
    models: Models
    on_rows: Callable[[int], None] = lambda rows: None
    on_step: Callable[[str], None] = lambda name: None
    told: Told = field(default_factory=Told)
    num_read: int = 0
    _unreadable: list[Rejection] = field(default_factory=list)

    def clean(self) -> Cleaned:
        """Read the rows, and do to them what does not depend on how they are divided.

        Raises:
            DataError: A file cannot be read, or too little of it can be used.
        """
        evaluation, data = self.data.eval, self.data
        with ExitStack() as stack:
            keep_map = None
            if data.clean.pii.keep_map:
                keep_map = stack.enter_context(
                    writing_map(self.scratch / PII_MAP_FILE, data.clean.pii.key_env)
                )
            first = clean.first_steps_of(data.clean)
            train = self._spool(
                "read",
                self._cleaned(
                    data.train, evaluation.group_by if evaluation.divides else None, first, keep_map
                ),
            )
            held_out = self._spool(
                "held_out", self._cleaned(evaluation.sources, evaluation.group_by, first, keep_map)
            )
        if data.clean.deduplicate.kind != "off":
            held_out = self._spool("held_out_once", RemoveDuplicates(EqualSamples)(held_out))
        train = self._spool("once", _through(train, self._judges(held_out)))
        self._check_left(train, data.train)
        if evaluation.sources:
            self._check_left(held_out, evaluation.sources)
        return Cleaned(train, held_out)

    def divide(self, cleaned: Cleaned, evaluation: EvalSection) -> dict[str, BatchSpool]:
        """Return the rows of ``train`` and of ``eval``, those that are left out among them.

        What an earlier division returned is overwritten.

        Args:
            cleaned: From `clean`.
            evaluation: How rows are held out.

        Raises:
            DataError: They cannot be divided so.
        """
        train, held_out = cleaned.train, cleaned.held_out
        if evaluation.divides:
            self.on_step("hold rows out")
            division = Division(train, evaluation, self.seed)
            held_out = self._spool("eval", division.side(train, "eval"))
            train = self._spool("train", division.side(train, "train"))
        if fills := self._named("missing values", clean.fills_of(self.data.clean)):
            # Training rows come first: what is missing in held-out ones is filled with what these say.
            train = self._spool("train_filled", _through(train, fills))
            held_out = self._spool("eval_filled", _through(held_out, fills))
        augmentation = self._augmentation(held_out)
        weighing = balance.steps_of(self.data.balance, seed=self.seed, on_balance=self._note_balance)
        growth = [*self._named("augment", augmentation), *self._named("balance", weighing)]
        train = self._spool("grown", _through(train, growth))
        self.told.augmented = augmentation[0].counts if augmentation else None
        return {"train": train, "eval": held_out}

    def _spool(self, name: str, batches: Iterable[pyarrow.RecordBatch]) -> BatchSpool:
        return BatchSpool(self.scratch / f"{name}.arrow").fill(batches)

    def _cleaned(
        self, sources: Sequence[Source], group_by: str | None, first: Sequence[Step], keep_map: Append | None
    ) -> Iterator[pyarrow.RecordBatch]:
        """Read sources, and do to each row what needs no other."""
        if not sources:
            return iter(())
        entries = chain.from_iterable(
            read_source(source, self.recipe_folder, group_by=group_by) for source in sources
        )
        section = self.data.clean
        batches = _through(self._counted(batches_of_samples(entries)), first)
        masking = pii.operators_of(section.pii)
        operators = [*clean.operators_of(section), *masking]
        batches = apply(batches, operators, num_processes=self.data.processes)
        if not masking:
            return batches
        self.told.pii = self.told.pii or PiiReport()
        return collected(batches, self.told.pii, on_sealed=keep_map or (lambda sealed: None))

    def _counted(self, batches: Iterable[pyarrow.RecordBatch]) -> Iterator[pyarrow.RecordBatch]:
        for batch in batches:
            self.num_read += batch.num_rows
            self._unreadable += _rejections(batch)
            self.on_rows(self.num_read)
            yield batch

    def _judges(self, held_out: BatchSpool) -> list[Step]:
        """Return what leaves out training rows because of other rows."""
        data = self.data
        errors = label_error_step.steps_of(
            data.label_errors, self.models.load_embed, seed=self.seed, on_found=self._note_label_errors
        )
        steps = self._named("label errors", errors)
        duplicate = data.clean.deduplicate
        embed = self.models.load_embed(duplicate.encoder) if duplicate.kind == "semantic" else None
        if duplicate.kind == "exact":
            steps += self._named("exact duplicates", [RemoveDuplicates(EqualSamples, duplicate.keep)])
        else:
            found = duplicates.steps_of(duplicate, seed=self.seed, embed=embed)
            steps += self._named(f"{duplicate.kind} duplicates", found)
        if held_out.num_kept:
            within = evaluation_rows.steps_of(data, held_out, seed=self.seed, embed=embed)
            steps += self._named("rows of the evaluation files", within)
        if data.decontaminate.enabled:
            others = [open_batches(self.recipe_folder / path) for path in data.decontaminate.against]
            check = Decontaminate(
                chain(held_out, *others),
                ngram=data.decontaminate.ngram,
                cjk_ngram=data.decontaminate.cjk_ngram,
            )
            steps += self._named("decontaminate", [partial(map, check)])
        return steps

    def _named(self, name: str, steps: Sequence[Step]) -> list[Step]:
        """Return steps that tell their name when their first rows come: when the steps before let rows go."""

        def announced(batches: Iterable[pyarrow.RecordBatch]) -> Iterator[pyarrow.RecordBatch]:
            for number, batch in enumerate(batches):
                if number == 0:
                    self.on_step(name)
                yield batch

        return [announced, *steps] if steps else []

    def _augmentation(self, held_out: BatchSpool) -> list[Augmentation]:
        section = self.data.augment
        return augment.steps_of(
            section,
            seed=self.seed,
            folder=self.recipe_folder,
            load_embed=self.models.load_embed,
            load_write=self.models.load_write,
            held_out=held_out_keys(held_out) if section.operations else frozenset(),
        )

    def _note_label_errors(self, findings: Findings, places: Sequence[Place]) -> None:
        self.told.label_errors = findings
        self.told.suspects = [
            {"source": places[s.index][0], "row": places[s.index][1], **asdict(s)} for s in findings.suspects
        ]

    def _note_balance(self, found: Balance) -> None:
        self.told.balance = found

    def _check_left(self, rows: BatchSpool, sources: Sequence[Source]) -> None:
        """Refuse sources of which too little can be used."""
        names = list(dict.fromkeys(source.path for source in sources))
        faulty = [rejection for rejection in self._unreadable if rejection.source in names]
        others = list(chain.from_iterable(map(_rejections, rows)))
        check_rows_left(rows.num_rows, rows.num_kept, faulty, ", ".join(names), others=others)


def _through(batches: Iterable[pyarrow.RecordBatch], steps: Sequence[Step]) -> Iterable[pyarrow.RecordBatch]:
    return reduce(lambda rows, step: step(rows), steps, batches)


def _rejections(batch: pyarrow.RecordBatch) -> list[Rejection]:
    """Return the rows of a batch that are left out."""
    columns = ("source", "row", "reason", "detail")
    fields = zip(*(batch[name].to_pylist() for name in columns), strict=True)
    return [Rejection(*each) for each in fields if each[2] is not None]
