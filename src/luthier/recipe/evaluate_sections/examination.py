"""What every examination's section tells besides its keys: the figures that gates may judge, and files it reads."""

from __future__ import annotations

from pathlib import Path

from luthier.recipe.section import Section


class ExaminationSection(Section):
    """Section of an examination: an optional key of ``evaluate:`` that asks for it by being there."""

    @property
    def figure_names(self) -> tuple[str, ...]:
        """Names that gates may judge, each beginning with the examination's own and a dot.

        A ``*`` stands for what only the rows tell, such as the name of a group.
        """
        raise NotImplementedError

    @property
    def files(self) -> tuple[str, ...]:
        """Files that it reads besides the recipe's rows, relative to the recipe's folder."""
        return ()

    def figure_names_in(self, folder: Path) -> tuple[str, ...]:
        """Return `figure_names`, and those that its files tell.

        Args:
            folder: Of the recipe.
        """
        return self.figure_names

    def files_in(self, folder: Path) -> tuple[str, ...]:
        """Return `files`, and those that these name; a report follows from the content of all of them."""
        return self.files
