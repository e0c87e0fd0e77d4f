"""From a recipe's source to samples: columns renamed, schema told, every row converted or left out with a reason."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import chain, islice
from pathlib import Path
from typing import Any

from luthier.core import hashing
from luthier.core.errors import DataError
from luthier.core.hashing import hash_file
from luthier.core.version_address import is_address
from luthier.data.example import Rejection
from luthier.data.row_fields import RowError, name_of
from luthier.data.sample import Sample
from luthier.data.schemas import (
    FIELDS,
    FIELDS_OF_EVERY_SCHEMA,
    convert,
    detect_schema,
    refuse_preferences,
    schema_of,
)
from luthier.data.sources import Row, read_rows
from luthier.recipe.source_section import Source

_DETECTED_ROWS = 100


def source_hash(sources: Sequence[Source], recipe_folder: Path) -> str:
    """Return one hash over the files, or versions, and how the recipe reads them.

    Raises:
        DataError: A file or version is missing.
    """
    return hashing.fingerprint(
        [(s.model_dump(by_alias=True), content_hash(recipe_folder / s.path)) for s in sources]
    )


def content_hash(path: Path) -> str:
    """Return a hash of what a file holds, or the identity of the rows of a version.

    Raises:
        DataError: It is missing.
    """
    if is_address(path):
        from luthier.data.versions.address import content_of

        return content_of(path)
    if not path.is_file():
        raise DataError("there is no such file", where=str(path), cure="paths start at the recipe's folder")
    return hash_file(path)


@dataclass(frozen=True)
class OpenSource:
    """A source whose schema is known.

    Args:
        schema: Named by the recipe, or detected.
        rows: Samples, and a rejection for each row that is none; consumed once.
    """

    schema: str
    rows: Iterator[Sample | Rejection]


def open_source(
    source: Source,
    recipe_folder: Path,
    *,
    group_by: str | None = None,
    on_row: Callable[[Any], None] = lambda raw: None,
) -> OpenSource:
    """Read the first rows of a source and tell its schema.

    Args:
        source: Of the recipe.
        recipe_folder: Relative paths start here.
        group_by: Field of the rows that becomes the samples' group.
        on_row: Told each row as it was read.

    Raises:
        DataError: The file cannot be read, its schema cannot be told, or a named column is not there.
    """
    rows = read_rows(recipe_folder / source.path)
    if source.limit:
        rows = islice(rows, source.limit)
    first = list(islice(rows, _DETECTED_ROWS))
    _check_columns(source, first)
    renamed = [(number, _renamed(row, source.columns)) for number, row in first]
    if source.schema_ is None:
        refuse_preferences(renamed, source.path)
    schema = source.schema_ or detect_schema(renamed, source.path)
    if group_by and not any(isinstance(row, Mapping) and group_by in row for _, row in first):
        raise DataError(f"no row has the field {group_by}, which data.eval.group_by names", where=source.path)
    if source.roles and schema != "messages":
        problem = f"has no effect: these rows follow schema {schema}, which has its own roles"
        raise DataError(
            f"`roles` {problem}", where=source.path, cure="remove it, or write the rows as messages"
        )
    return OpenSource(schema, _convert_all(source, schema, chain(first, rows), group_by, on_row))


def read_source(
    source: Source, recipe_folder: Path, *, group_by: str | None = None
) -> Iterator[Sample | Rejection]:
    """Yield the samples of a source, and a rejection for each row that is none; see `open_source`."""
    return open_source(source, recipe_folder, group_by=group_by).rows


def _convert_all(
    source: Source,
    schema: str,
    rows: Iterator[Row],
    group_by: str | None,
    on_row: Callable[[Any], None],
) -> Iterator[Sample | Rejection]:
    for number, raw in rows:
        on_row(raw)
        row = _renamed(raw, source.columns)
        try:
            if schema == "text" and schema_of(row) == "classification":
                _refuse_mixture(source, schema, row, number)  # its label would be lost without a word
            group, attributes = _group(raw, group_by), _attributes(raw, source.attributes)
            sample = convert(
                row,
                schema,
                source=source.path,
                number=number,
                group=group,
                attributes=attributes,
                roles=source.roles,
            )
            yield _of_task(sample, source.task)
        except RowError as error:
            if error.reason == "missing_field":
                _refuse_mixture(source, schema, row, number)
            yield Rejection(source.path, number, error.reason, error.detail, raw=raw)


def _of_task(sample: Sample, task: str | None) -> Sample:
    """Return the sample with the task that its source names."""
    if task is None or sample.task == task:
        return sample
    if sample.task is not None:
        raise RowError("other_task", f"the row's task is {sample.task!r}, its source's is {task!r}")
    return replace(sample, task=task)


def _refuse_mixture(source: Source, schema: str, row: Any, number: int) -> None:
    """Refuse a row of another schema than the first rows have, unless the recipe names the schema."""
    other = schema_of(row)
    if source.schema_ is None and other not in (None, schema):
        raise DataError(
            f"mixes schemas: {schema} (first rows), {other} (row {number})",
            where=source.path,
            cure="split the file, one schema each",
        )


def _check_columns(source: Source, first: Sequence[Row]) -> None:
    """Refuse a renaming that nothing would read."""
    of_schemas = chain.from_iterable([*needed, *more] for needed, more in FIELDS.values())
    known = sorted({*of_schemas, *FIELDS_OF_EVERY_SCHEMA})
    present = dict.fromkeys(key for _, row in first if isinstance(row, Mapping) for key in row)
    for name, column in source.columns.items():
        if name not in known:
            near = difflib.get_close_matches(name, known, n=1)
            cure = f"did you mean `{near[0]}`?" if near else f"known fields: {', '.join(known)}"
            raise DataError(f"columns: no schema has a field {name!r}", where=source.path, cure=cure)
        if column not in present:
            raise _no_column("columns", column, present, source)
    for column in source.attributes:
        if column not in present:
            raise _no_column("attributes", column, present, source)


def _no_column(key: str, column: str, present: Iterable[Any], source: Source) -> DataError:
    columns = ", ".join(map(str, present))
    problem = f"{key}: the file has no column {column!r}"
    return DataError(problem, where=source.path, cure=f"its columns are {columns}")


def _renamed(row: Any, columns: Mapping[str, str]) -> Any:
    if not columns or not isinstance(row, dict):
        return row
    moved = {*columns.values(), *columns}
    return {
        **{name: value for name, value in row.items() if name not in moved},
        **{name: row[column] for name, column in columns.items() if column in row},
    }


def _group(row: Any, field_name: str | None) -> str | None:
    if field_name is None or not isinstance(row, dict):
        return None
    if row.get(field_name) is None:
        raise RowError("no_group", f"field {field_name}, which data.eval.group_by names, is missing")
    return str(row[field_name])


def _attributes(row: Any, names: Sequence[str]) -> dict[str, str]:
    """Return the columns for analysis that the row has a value in."""
    if not isinstance(row, Mapping):
        return {}
    return {name: name_of(row[name], name) for name in names if row.get(name) not in (None, "")}
