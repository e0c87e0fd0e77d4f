"""Roll back: an earlier version becomes the latest again; the later ones stay readable by number."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from luthier.data.versions.dataset import DataSet
from luthier.data.versions.state import State, Version


def roll_back(dataset: DataSet, ref: str | None = None, *, message: str = "") -> Version:
    """Make an earlier version the latest one, and return it.

    Args:
        dataset: That is rolled back.
        ref: Which version; by default the one before the latest.
        message: Why.

    Raises:
        DataError: There is no such version.
    """

    def decide(state: State) -> Mapping[str, Any] | None:
        if ref is None and len(state.line) < 2:
            raise dataset.fault("has no version before the latest", "name one: luthier data versions log")
        number = dataset.resolve(ref or str(state.line[-2]), state).number
        if number == state.latest:
            return None
        return {"action": "rollback", "version": number, "message": message}

    return dataset.resolve(None, dataset.commit("write", decide))
