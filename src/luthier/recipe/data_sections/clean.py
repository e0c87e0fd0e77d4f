"""The recipe's section of cleaning: what is repaired, removed and made uniform, and which rows are left out."""

from __future__ import annotations

from typing import Annotated, Any, Literal, Self

from pydantic import Field, model_validator

from luthier.recipe.section import PositiveInt, Section

Share = Annotated[float, Field(ge=0.0, le=1.0)]


class MissingValue(Section):
    """What becomes of rows that lack a field."""

    field: str = Field(min_length=1, description="Name of the field, dotted where nested.")
    action: Literal["drop", "mean", "median", "mode", "constant"] = Field(
        description="`drop` leaves the row out; the others fill the field."
    )
    value: Any = Field(None, description="What `constant` fills it with.")

    @model_validator(mode="after")
    def _check(self) -> Self:
        if self.action == "constant" and self.value is None:
            raise ValueError("`constant` needs a value")
        if self.action != "constant" and self.value is not None:
            raise ValueError(f"value takes no effect beside `{self.action}`: only `constant` reads it")
        return self


class QualitySection(Section):
    """Rows that are left out for what they are; the texts of a row are judged together."""

    min_characters: PositiveInt | None = Field(None, description="Shortest row, in characters.")
    max_characters: PositiveInt | None = Field(None, description="Longest row, in characters.")
    min_words: PositiveInt | None = Field(
        None, description="Shortest row, in words; in Chinese and Japanese each character counts as one."
    )
    max_words: PositiveInt | None = Field(None, description="Longest row, in words.")
    max_symbol_share: Share | None = Field(
        None, description="Most punctuation, emoji and other symbols, as a share of a row's characters."
    )
    rules: list[Literal["gopher_repetition", "gopher_quality", "c4"]] = Field(
        [],
        description="Rules of published corpora, for long texts of the web: Gopher's against repetition and "
        "for running text (arXiv:2112.11446), C4's (arXiv:1910.10683).",
    )

    @model_validator(mode="after")
    def _check(self) -> Self:
        for unit in ("characters", "words"):
            least, most = getattr(self, f"min_{unit}"), getattr(self, f"max_{unit}")
            if least is not None and most is not None and least > most:
                raise ValueError(f"min_{unit} is {least}, above max_{unit}, {most}: no row is left")
        return self


class CleanSection(Section):
    """What is done to rows before they are split and encoded; all of it is off by default."""

    unicode: bool = Field(
        False,
        description="Repair mojibake (UTF-8, GBK, Latin-1 taken for each other) and compose characters.",
    )
    control_characters: bool = Field(
        False, description="Remove control codes, terminal colours and invisible characters."
    )
    markup: Literal["html", "markdown"] | None = Field(
        None, description="Turn HTML, or HTML and Markdown, into plain text."
    )
    white_space: Literal["tidy", "collapse", "one_line"] | None = Field(
        None,
        description="`tidy` keeps indentation; `collapse` makes one blank of several; `one_line` makes one "
        "blank of line breaks, too.",
    )
    urls: Literal["remove", "mask"] | None = Field(None, description="Remove web addresses, or write [URL].")
    emoji: Literal["remove", "describe"] | None = Field(
        None, description="Remove emoji, or write their names: `:thumbs_up:`."
    )
    emoji_language: Literal["en", "zh"] = Field("en", description="Language of the names of emoji.")
    width: Literal["alphanumeric", "all"] | None = Field(
        None, description="Make full-width letters and digits half-width, or punctuation, too."
    )
    chinese_script: Literal["t2s", "tw2s", "tw2sp", "hk2s", "s2t", "s2tw", "s2twp", "s2hk"] | None = Field(
        None, description="Convert Traditional and Simplified Chinese by OpenCC's conversion of this name."
    )
    lowercase: bool = Field(False, description="Write every letter small.")
    stop_words: list[Literal["en", "zh"]] = Field(
        [], description="Remove the stop words of these languages; for classic statistics, not for chat."
    )
    more_stop_words: list[str] = Field([], description="Remove these words, too.")
    segment: bool = Field(False, description="Put blanks between Chinese words.")
    missing: list[MissingValue] = Field([], description="What becomes of rows that lack a field.")
    missing_tokens: list[str] = Field(
        [], description="Texts that mean a missing value, such as NA; blank, null and NaN always do."
    )
    languages: list[str] = Field([], description="Keep rows in these languages (ISO 639-1: zh, en).")
    min_language_score: Share = Field(0.0, description="Least probability of the language.")
    quality: QualitySection = Field(QualitySection(), description="Rows left out for what they are.")

    @model_validator(mode="after")
    def _check(self) -> Self:
        named = self.model_fields_set
        if "emoji_language" in named and self.emoji != "describe":
            raise ValueError("emoji_language takes no effect: only `emoji: describe` reads it")
        if "missing_tokens" in named and not self.missing:
            raise ValueError("missing_tokens takes no effect: no field is named in `missing`")
        if "min_language_score" in named and not self.languages:
            raise ValueError("min_language_score takes no effect: no language is named in `languages`")
        if len({rule.field for rule in self.missing}) < len(self.missing):
            raise ValueError("missing names a field twice")
        for code in self.languages:
            if not (2 <= len(code) <= 3 and code.isascii() and code.islower()):
                raise ValueError(f"languages: {code!r} is no ISO 639 code; Chinese is zh, English en")
        return self
