"""What an annotation project asks its raters: the label set and its scale, checked before anything is stored."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import get_args

from luthier.core.errors import DataError
from luthier.core.files import read_json
from luthier.core.wording import count_of
from luthier.data.annotation.adjudicate import Adjudication
from luthier.data.annotation.agreement import Scale, label_values

SETTINGS_FILE = "annotation.json"
FORMAT = 1


@dataclass(frozen=True)
class Settings:
    """What a project asks its raters.

    Args:
        labels: In their order, which an ordinal scale needs.
        question: Name of the label's field in exported rows, and of the control in other tools.
        text_field: Field of a row that raters read.
        scale: Of the labels.
        adjudication: How ratings become one label.
    """

    labels: tuple[str, ...]
    question: str = "label"
    text_field: str = "text"
    scale: Scale = "nominal"
    adjudication: Adjudication = "vote"

    def check(self, where: str) -> None:
        """Refuse settings that no project can have.

        Raises:
            DataError: Too few labels, one twice, one without a name, or one that its scale does not know.
        """
        cure = "name each label once"
        if len(self.labels) < 2:
            raise DataError(
                f"{count_of(len(self.labels), 'label')}; two at least are needed", where=where, cure=cure
            )
        if wrong := [x for x in self.labels if not isinstance(x, str) or not x.strip() or x != x.strip()]:
            raise DataError(f"label {wrong[0]!r} is empty or has spaces around it", where=where, cure=cure)
        if twice := [label for label in self.labels if self.labels.count(label) > 1]:
            raise DataError(f"label {twice[0]!r} is named twice", where=where, cure=cure)
        for value, known in ((self.scale, get_args(Scale)), (self.adjudication, get_args(Adjudication))):
            if value not in known:
                raise DataError(f"{value!r} is not known", where=where, cure=f"known: {', '.join(known)}")
        if self.question == self.text_field:
            raise DataError(f"{self.question!r} is both the question and the text field", where=where)
        label_values(self.labels, self.scale)


def read_settings(folder: Path) -> Settings:
    """Return the settings of a project.

    Raises:
        DataError: The folder holds no project, or its settings are damaged.
    """
    path = folder / SETTINGS_FILE
    if not path.is_file():
        cure = "`luthier data annotate init` makes one"
        raise DataError("is not an annotation project", where=str(folder), cure=cure)
    try:
        stored = read_json(path)
        if stored.pop("format") != FORMAT:
            raise DataError("was made by another version of Luthier", where=str(path))
        settings = Settings(**{**stored, "labels": tuple(stored["labels"])})
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise DataError(f"is damaged: {error}", where=str(path)) from error
    settings.check(str(path))
    return settings
