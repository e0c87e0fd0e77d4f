"""A source of rows in a recipe: a file, its schema, and how its columns are called."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from luthier.recipe.section import PositiveInt, Section

SchemaName = Literal[
    "alpaca",
    "sharegpt",
    "messages",
    "prompt_completion",
    "question_answering",
    "token_classification",
    "classification",
    "text",
]


class Source(Section):
    """One file of rows."""

    path: str = Field(
        description="A .json, .jsonl, .csv, .tsv, .parquet, .conll or .txt file (.gz too for text formats)."
    )
    schema_: SchemaName | None = Field(
        None, alias="schema", description="The rows' schema. Default: detected from the fields of the rows."
    )
    columns: dict[str, str] = Field(
        default_factory=dict,
        description="Own column names: the schema's field on the left, the file's column on the right.",
    )
    attributes: list[str] = Field(
        default_factory=list,
        description="Columns that are kept with each row for analysis and balance, e.g. topic or age.",
    )
    limit: PositiveInt | None = Field(None, description="Read only the first rows, this many.")
    roles: list[str] = Field(
        default_factory=list,
        description="Roles of `messages` beyond system, user, assistant and tool, e.g. narrator. They are read as "
        "context; the chat template must write them.",
    )
    task: str | None = Field(
        None,
        description="Which task of `objective: {name: multitask}` the rows belong to. Default: what their own field "
        "`task` says.",
    )
