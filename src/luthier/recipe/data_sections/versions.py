"""Data sets under version: where the prepared rows of a run are kept."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from luthier.recipe.section import Section


class SnapshotSection(Section):
    """Store the prepared rows of a run as a version of a data set, with their lineage."""

    dataset: Annotated[str, Field(pattern=r"^\w[\w.-]{0,99}$")] = Field(
        description="Data set that the rows become a version of; rows that it has already add none."
    )
    store: str | None = Field(
        None,
        description="Folder (from the recipe's folder) or URL (`s3://BUCKET/PREFIX`) of the store. Default: "
        "`$LUTHIER_DATA`, else `data-store` in the recipe's folder.",
    )
    tag: str | None = Field(None, description="Tag to give to the version, moved from where it was.")
    message: str = Field("", description="What the log says about the version.")
    encrypt: bool = Field(
        False, description="Encrypt at rest with the key in `$LUTHIER_DATA_KEY` or the system's keyring."
    )
    reference_fields: tuple[str, ...] = Field(
        (),
        strict=False,
        description="Fields that name files such as images; each file is checked and its hash recorded.",
    )
