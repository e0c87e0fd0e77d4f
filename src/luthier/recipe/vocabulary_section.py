"""`vocabulary:` in a recipe: tokens that the base does not have, and how their embeddings begin."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from luthier.recipe.section import PositiveInt, Section

EmbeddingInit = Literal["mean_of_pieces", "mean", "random"]


class VocabularySection(Section):
    """Tokens that are added to the base's vocabulary, or a vocabulary that replaces it."""

    add_tokens: Literal["auto"] | str | list[str] | None = Field(
        None,
        description="Terms that become one token each: a list, a file with one in a line, or `auto` for those that "
        "save the most tokens of the training rows.",
    )
    max_new_tokens_added: PositiveInt = Field(
        1000, description="With `add_tokens: auto`: most tokens to add."
    )
    min_frequency: Annotated[int, Field(ge=2)] = Field(
        10, description="With `add_tokens: auto`: how often the training rows must use a token."
    )
    max_words: Annotated[int, Field(ge=1, le=5)] = Field(
        1, description="With `add_tokens: auto`: longest phrase in words, in writing with blanks."
    )
    add_special_tokens: list[str] = Field(
        default_factory=list,
        description="Marks that template or rows write, e.g. `<|doctor|>`; each becomes one special token.",
    )
    new_vocab_size: Annotated[int, Field(ge=300)] | None = Field(
        None,
        description="Instead of adding tokens: train a new tokenizer of the base's kind on the training rows, with so "
        "many tokens.",
    )
    init: EmbeddingInit = Field(
        "mean_of_pieces",
        description="What a new embedding begins with: the mean of the pieces that the base cut the token into, the "
        "mean of all tokens, or random numbers of the same spread.",
    )
