"""Every record of the themes beside this file is checked, cell by cell, or named with a reason."""

from __future__ import annotations

import pytest

from tests.evaluate.known_answers import test_classes, test_losses_and_errors, texts
from tests.evaluate.known_answers.ledger import Record, check, check_reasons, records

_THEMES = (test_classes, test_losses_and_errors, texts)
_THEME_OF = {file: theme for theme in _THEMES for file in theme.OURS}


@pytest.mark.parametrize(
    ("file", "record"), [(file, record) for file in _THEME_OF for record in records(file)], ids=str
)
def test_known_answers(file: str, record: Record) -> None:
    theme = _THEME_OF[file]
    check(record, theme.OURS[file], theme.NOT_OURS[file])


@pytest.mark.parametrize("file", _THEME_OF)
def test_reasons_are_for_cells_that_exist(file: str) -> None:
    theme = _THEME_OF[file]
    check_reasons(file, theme.OURS[file], theme.NOT_OURS[file])
