"""What becomes of each cell of the known answers: our function gives it, or a reason says why it is not ours."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

import pytest

from tests.conftest import SHARED_VECTORS

Checks = Mapping[str, Callable[[Any], Mapping[str, Any]]]
"""By the name of a record's function: from the record to what our function gives, cell by cell."""


@dataclass(frozen=True)
class Record:
    """One known answer.

    Args:
        number: Its place in the file.
        content: As it stands there.
    """

    number: int
    content: dict[str, Any]

    @property
    def function(self) -> str:
        """What is computed."""
        return str(self.content["function"])

    @property
    def cells(self) -> dict[str, Any]:
        """The expected values by their names, one inside another joined by a dot; one alone has no name."""
        return dict(_flat("", self.content["expected"]))

    def names(self, cell: str) -> list[str]:
        """Return what a reason may call a cell: all of the function's, those of a record, this one of either."""
        wholes = [self.function, f"{self.function}#{self.number}"]
        return [*wholes, *(f"{whole}/{cell}" for whole in wholes if cell)]

    def __str__(self) -> str:
        return f"{self.number}-{self.function}"


def records(file: str) -> list[Record]:
    """Return the records of a file; the tests of a module are skipped where it is absent."""
    if not (SHARED_VECTORS / file).is_file():
        pytest.skip(f"the known answers {file} are not at {SHARED_VECTORS}", allow_module_level=True)
    return _read(file)


def check(record: Record, checks: Checks, not_ours: Mapping[str, str]) -> None:
    """Compare every cell of a record that no reason names."""
    asked = {
        cell: value
        for cell, value in record.cells.items()
        if not any(name in not_ours for name in record.names(cell))
    }
    if not asked:
        return
    ours = checks[record.function](record.content) if record.function in checks else {}
    tolerance = record.content.get("tolerance", 1e-9)
    for cell, expected in asked.items():
        assert cell in ours, f"{record} {cell!r} is neither checked nor named"
        assert _agree(ours[cell], expected, tolerance), (
            f"{record} {cell!r}: {ours[cell]} instead of {expected}"
        )


def check_reasons(file: str, checks: Checks, not_ours: Mapping[str, str]) -> None:
    """Refuse names that stand for no cell, and checks that no record asks for."""
    found = {name for record in records(file) for cell in record.cells for name in record.names(cell)}
    assert set(not_ours) <= found, f"no such cells: {set(not_ours) - found}"
    assert all(len(reason) > 10 for reason in not_ours.values())
    functions = {record.function for record in records(file)}
    assert set(checks) <= functions, f"no such functions: {set(checks) - functions}"
    assert len(records(file)) == json.loads((SHARED_VECTORS / file).read_text(encoding="utf-8"))["count"]


@cache
def _read(file: str) -> list[Record]:
    content = json.loads((SHARED_VECTORS / file).read_text(encoding="utf-8"))["records"]
    return [Record(number, record) for number, record in enumerate(content)]


def _flat(name: str, value: Any) -> list[tuple[str, Any]]:
    if not isinstance(value, dict):
        return [(name, value)]
    return [cell for key, below in value.items() for cell in _flat(f"{name}.{key}" if name else key, below)]


def _agree(ours: Any, expected: Any, tolerance: float) -> bool:
    if isinstance(expected, (list, tuple)):
        pairs = zip(ours, expected, strict=True)
        return len(ours) == len(expected) and all(_agree(a, b, tolerance) for a, b in pairs)
    if isinstance(expected, bool) or not isinstance(expected, (int, float)):
        return bool(ours == expected)
    return bool(ours == pytest.approx(expected, abs=tolerance, rel=0))
