"""From the recipe's section to steps and operators, in the order in which they are applied."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from luthier.data.clean.chain import CleanTexts, Rewriter
from luthier.data.clean.chinese_script import ConvertChinese
from luthier.data.clean.control_characters import RemoveControlCharacters
from luthier.data.clean.emoji_policy import ReplaceEmoji
from luthier.data.clean.folding import FoldWidth, Lowercase
from luthier.data.clean.gbk_mojibake import RepairGbk
from luthier.data.clean.language import LanguageFilter
from luthier.data.clean.markup import StripMarkup
from luthier.data.clean.missing import FROM_OTHER_ROWS, HandleMissing, MissingRule
from luthier.data.clean.quality import QualityFilter
from luthier.data.clean.segmentation import SegmentChinese
from luthier.data.clean.stop_words import RemoveStopWords
from luthier.data.clean.unicode_repair import RepairUnicode
from luthier.data.clean.urls import ReplaceUrls
from luthier.data.clean.white_space import TidyWhiteSpace
from luthier.data.operators.execute import Operator, Step
from luthier.data.operators.targets import KeepTargets
from luthier.recipe.data_sections.clean import CleanSection, MissingValue


def steps_of(section: CleanSection) -> list[Step]:
    """Return what must see all rows; it comes before `operators_of`."""
    return _handling(section, section.missing)


def first_steps_of(section: CleanSection) -> list[Step]:
    """Return those of `steps_of` that ask nothing of other rows: what is dropped, or filled with a constant."""
    return _handling(section, [rule for rule in section.missing if rule.action not in FROM_OTHER_ROWS])


def fills_of(section: CleanSection) -> list[Step]:
    """Return those of `steps_of` that fill with what other rows say.

    Training rows go through them first, held-out rows after, once it is known which are which: the steps remember.
    """
    return _handling(section, [rule for rule in section.missing if rule.action in FROM_OTHER_ROWS])


def _handling(section: CleanSection, missing: Sequence[MissingValue]) -> list[Step]:
    if not missing:
        return []
    rules = tuple(MissingRule(rule.field, rule.action, rule.value) for rule in missing)
    return [HandleMissing(rules, tuple(section.missing_tokens))]


def operators_of(section: CleanSection) -> list[Operator]:
    """Return the operators that a section asks for: texts are rewritten first, rows judged after."""
    operators: list[Operator] = []
    if rewriters := tuple(rewriters_of(section)):
        operators += [CleanTexts(rewriters), KeepTargets()]
    if section.languages:
        operators.append(LanguageFilter(tuple(section.languages), section.min_language_score))
    quality = section.quality
    if quality.model_fields_set:
        operators.append(
            QualityFilter(
                quality.min_characters,
                quality.max_characters,
                quality.min_words,
                quality.max_words,
                quality.max_symbol_share,
                tuple(quality.rules),
            )
        )
    return operators


def rewriters_of(section: CleanSection) -> Iterator[Rewriter]:
    """Yield what rewrites texts: repairs first, then what is removed, then what is made uniform."""
    if section.unicode:
        yield RepairGbk()
        yield RepairUnicode()
    if section.control_characters:
        yield RemoveControlCharacters()
    if section.markup:
        yield StripMarkup(section.markup)
    if section.urls:
        yield ReplaceUrls(section.urls)
    if section.emoji:
        yield ReplaceEmoji(section.emoji, section.emoji_language)
    if section.width:
        yield FoldWidth(section.width)
    if section.chinese_script:
        yield ConvertChinese(section.chinese_script)
    if section.lowercase:
        yield Lowercase()
    if section.stop_words or section.more_stop_words:
        yield RemoveStopWords(tuple(section.stop_words), tuple(section.more_stop_words))
    if section.segment:
        yield SegmentChinese()
    if section.white_space:
        yield TidyWhiteSpace(section.white_space)
