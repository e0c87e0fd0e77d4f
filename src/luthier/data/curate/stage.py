"""The rows stage: source files to curated rows on disk, every row counted, kept or left out with a reason."""

from __future__ import annotations

import hashlib
import json
import shutil
import tempfile
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, ClassVar, Literal

from luthier.core.artifact import Artifact
from luthier.core.events import EventLog
from luthier.core.files import atomic_folder, write_json
from luthier.data.curate.flow import PII_MAP_FILE, Cleaned, Curation, Models, Told
from luthier.data.curate.rows_file import moved_answers, read_curated, row_of
from luthier.data.example import Rejection
from luthier.data.operators.batch import samples_of
from luthier.data.operators.spool import BatchSpool
from luthier.data.profile.sides import write_profile
from luthier.data.row_json import dumps, loads
from luthier.data.sample import Sample
from luthier.data.versions.prepared import store_prepared
from luthier.recipe.schema import DataSection, EvalSection

Side = Literal["train", "eval"]
REJECTED_FILE = "rejected.jsonl"
CHANGES_FILE = "changes.jsonl"
SUSPECTS_FILE = "label_errors.jsonl"


@dataclass(frozen=True)
class CuratedRows(Artifact):
    """Rows that are ready to be encoded: ``train.jsonl`` and ``eval.jsonl``, in the schemas that Luthier reads.

    Args:
        num_read: Rows in the files, held-out ones included.
        num_train: Rows to train.
        num_eval: Rows held out.
        left_out: Rows left out, by reason.
        changes: Texts rewritten, by operator.
        content_hash: Of the rows of both sides.
        told: What the steps tell beside the rows: findings of personal data, label errors, classes.
        attributes: Columns that are attributes.
        version: Of the data set that the rows became, ``NAME@N``; None where none was asked for.
    """

    stage: ClassVar[str] = "rows"

    num_read: int
    num_train: int
    num_eval: int
    left_out: Mapping[str, int]
    changes: Mapping[str, int]
    content_hash: str
    told: Mapping[str, Any]
    attributes: tuple[str, ...] = ()
    version: str | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "attributes", tuple(self.attributes))  # a list, when read from JSON

    @property
    def num_left_out(self) -> int:
        """Rows left out, for all reasons together."""
        return sum(self.left_out.values())


@dataclass(frozen=True)
class Place:
    """Where the rows of one way of dividing them go.

    Args:
        evaluation: How rows are held out.
        folder: Gets ``train.jsonl``, ``eval.jsonl``, ``rejected.jsonl`` and, where there is something to tell,
            ``changes.jsonl`` and ``label_errors.jsonl``.
        fingerprint: Of the stage, divided so.
    """

    evaluation: EvalSection
    folder: Path
    fingerprint: str


def curate(
    data: DataSection,
    *,
    folder: Path,
    recipe_folder: Path,
    seed: int,
    fingerprint: str,
    models: Models,
    events: EventLog,
    tokenizer: Any = None,
) -> CuratedRows:
    """Read, clean, judge, split, multiply and balance the rows of a recipe.

    Args:
        data: Of the recipe.
        folder: See `Place`.
        recipe_folder: Relative paths start here.
        seed: Of every draw.
        fingerprint: Of this stage.
        models: For steps that need one.
        events: Told about the progress.
        tokenizer: Of the base, for the profile; None where there is no base.

    Raises:
        DataError: A file cannot be read, or too little of it can be used.
    """
    [made] = curate_each(
        data,
        [Place(data.eval, folder, fingerprint)],
        recipe_folder=recipe_folder,
        seed=seed,
        models=models,
        events=events,
        tokenizer=tokenizer,
    )
    return made


def curate_each(
    data: DataSection,
    places: Sequence[Place],
    *,
    recipe_folder: Path,
    seed: int,
    models: Models,
    events: EventLog,
    tokenizer: Any = None,
) -> list[CuratedRows]:
    """Clean the rows of a recipe once, and divide them in several ways; see `curate`.

    Args:
        data: Of the recipe; the ways differ from its own in ``split``, ``folds`` and ``out_of_domain`` only.
        places: The ways.
        recipe_folder: Relative paths start here.
        seed: Of every draw.
        models: For steps that need one.
        events: Told about the progress.
        tokenizer: Of the base, for the profile; None where there is no base.
    """
    with tempfile.TemporaryDirectory(prefix="luthier-rows-") as scratch:
        curation = Curation(
            data,
            recipe_folder=recipe_folder,
            scratch=Path(scratch),
            seed=seed,
            models=models,
            on_rows=lambda rows: events.emit("progress", stage="rows", done=rows, total=None),
            on_step=lambda name: events.emit("step", stage="rows", name=name),
        )
        cleaned = curation.clean()
        return [_write(curation, cleaned, place, tokenizer, events) for place in places]


def _write(
    curation: Curation, cleaned: Cleaned, place: Place, tokenizer: Any, events: EventLog
) -> CuratedRows:
    data, folder = curation.data, place.folder
    sides = curation.divide(cleaned, place.evaluation)
    events.emit("step", stage="rows", name="write")
    with atomic_folder(folder) as partial:
        writing = _Writing(partial)
        for name, spool in sides.items():
            writing.side(name, spool)
        write_profile(data.profile, sides, partial, tokenizer=tokenizer, seed=curation.seed)
        told = _as_json(curation.told)
        if curation.told.suspects:
            lines = (json.dumps(suspect, ensure_ascii=False) for suspect in curation.told.suspects)
            (partial / SUSPECTS_FILE).write_text("\n".join(lines) + "\n", encoding="utf-8")
        if (sealed := curation.scratch / PII_MAP_FILE).is_file():
            shutil.copy(sealed, partial)
        write_json(partial / "steps.json", {"left_out": writing.left_out, "changes": writing.changes, **told})
    version = _stored(data, folder, curation.recipe_folder, writing) if data.snapshot else None
    sources = [*data.train, *data.eval.sources]
    return CuratedRows(
        folder=folder,
        fingerprint=place.fingerprint,
        num_read=curation.num_read,
        num_train=writing.rows["train"],
        num_eval=writing.rows["eval"],
        left_out=dict(writing.left_out),
        changes=dict(writing.changes),
        content_hash=writing.digest.hexdigest(),
        told=told,
        attributes=tuple(dict.fromkeys(name for source in sources for name in source.attributes)),
        version=version,
    ).save()


class _Writing:
    """Writes rows to the files of their sides, and counts and hashes what passes."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.rows: Counter[str] = Counter()
        self.left_out: Counter[str] = Counter()
        self.changes: Counter[str] = Counter()
        self.digest = hashlib.sha256()

    def side(self, name: str, spool: BatchSpool) -> None:
        """Write the rows of one side; both sides share the files of what was left out and changed."""
        self.digest.update(f"{name}\n".encode())
        with (
            (self._folder / f"{name}.jsonl").open("wb") as kept,
            (self._folder / REJECTED_FILE).open("ab") as rejected,
            (self._folder / CHANGES_FILE).open("ab") as changes,
        ):
            for batch in spool:
                for sample in samples_of(batch):
                    line = dumps(row_of(moved_answers(sample)))
                    self.digest.update(line)
                    kept.write(line + b"\n")
                    self.rows[name] += 1
                columns = ("source", "row", "reason", "detail", "raw", "changes")
                for source, row, reason, detail, raw, changed in zip(
                    *(batch[column].to_pylist() for column in columns), strict=True
                ):
                    place = {"source": source, "row": row}
                    if reason is not None:
                        self.left_out[reason] += 1
                        facts = {"reason": reason, "detail": detail, "raw": loads(raw.encode())}
                        rejected.write(dumps(place | facts) + b"\n")
                    elif changed:
                        self.changes.update(change["operator"] for change in changed)
                        changes.write(dumps(place | {"changes": changed}) + b"\n")


def _as_json(told: Told) -> dict[str, Any]:
    """Return what steps told, parts that were not asked for left out."""
    facts: dict[str, Any] = {}
    if told.pii:
        facts["pii"] = told.pii.as_json()
    if errors := told.label_errors:
        facts["label_errors"] = {
            "suspects": len(errors.suspects),
            "judged": errors.num_judged,
            "unjudged": errors.unjudged,
            "agreement": errors.accuracy,
        }
    if augmented := told.augmented:
        facts["augmented"] = {
            "made": dict(augmented.made),
            "missing": augmented.missing,
            "dropped": augmented.dropped_by_kind(),
        }
    if told.balance:
        facts["balance"] = {
            "classes": [asdict(each) for each in told.balance.classes],
            "without": told.balance.without,
        }
    return facts


def _stored(data: DataSection, folder: Path, recipe_folder: Path, writing: _Writing) -> str:
    """Store the rows of both sides as a version, each with the name of its side."""
    assert data.snapshot is not None
    rows = (
        {**loads(line), "split": side}
        for side in ("train", "eval")
        for line in (folder / f"{side}.jsonl").open("rb")
    )
    sources = [recipe_folder / source.path for source in (*data.train, *data.eval.sources)]
    changed = data.model_dump(by_alias=True, exclude_defaults=True, mode="json")
    taken = store_prepared(
        data.snapshot,
        rows,
        recipe_folder=recipe_folder,
        sources=sources,
        steps=[{"name": name, "options": changed[name]} for name in changed if name not in _NO_STEPS],
        counts=lambda: {"rows": dict(writing.rows), "left_out": dict(writing.left_out)},
    )
    return f"{data.snapshot.dataset}@{taken.version.number}"


_NO_STEPS = ("train", "snapshot", "processes", "max_length", "too_long", "chat_template")


def read_rows_of(rows: CuratedRows, side: Side) -> Iterator[Sample | Rejection]:
    """Yield the samples of a side; see `read_curated`."""
    return read_curated(rows.folder / f"{side}.jsonl", rows.attributes)


def left_out_of(rows: CuratedRows) -> Iterator[Rejection]:
    """Yield the rows that were left out, with their reasons."""
    with (rows.folder / REJECTED_FILE).open("rb") as file:
        for line in file:
            yield Rejection(**loads(line))
