"""From the recipe's section to the augmentation step."""

from __future__ import annotations

from collections.abc import Callable, Collection
from functools import partial
from pathlib import Path

from luthier.data.augment.affix import Affix
from luthier.data.augment.apertium import Apertium
from luthier.data.augment.back_translation import BackTranslation, ChatTranslator
from luthier.data.augment.contract import Embed, Operation, Write
from luthier.data.augment.deletion import Deletion
from luthier.data.augment.gate import DriftGate
from luthier.data.augment.homophones import Homophones
from luthier.data.augment.insertion import Insertion
from luthier.data.augment.masking import Masking
from luthier.data.augment.ocr_noise import OcrNoise
from luthier.data.augment.paraphrase import Paraphrase
from luthier.data.augment.quota import Quota
from luthier.data.augment.sentence_order import SentenceOrder
from luthier.data.augment.step import Augmentation
from luthier.data.augment.swap import Swap
from luthier.data.augment.synonym_lists import SynonymList, installed_chinese_list, read_synonym_file
from luthier.data.augment.synonyms import Synonyms
from luthier.data.augment.thesaurus import SynonymsOf, Thesaurus
from luthier.data.augment.typing_noise import TypingNoise
from luthier.data.augment.wordnet import WordNet, find_wordnet
from luthier.recipe.data_sections import augment as sections

LoadEmbed = Callable[[str], Embed]
"""Name of an embedding model to the model."""

LoadWrite = Callable[[str], Write]
"""Name of a chat model to the model."""


def steps_of(
    section: sections.AugmentSection,
    *,
    seed: int,
    folder: Path,
    load_embed: LoadEmbed,
    load_write: LoadWrite,
    held_out: Collection[int] = frozenset(),
    group_field: str | None = "group",
    provenance_field: str | None = None,
) -> list[Augmentation]:
    """Return the step of a section, or none where augmentation is off.

    Args:
        section: Of the recipe.
        seed: Makes every choice.
        folder: Relative paths start here.
        load_embed: Called only where a similarity is asked for.
        load_write: Called only where an operation needs a chat model.
        held_out: Keys of texts that no new row may repeat, from `held_out_keys`.
        group_field: See `Augmentation`.
        provenance_field: See `Augmentation`.

    Raises:
        DataError: A file that an operation needs is absent.
    """
    if not section.operations:
        return []
    quota = Quota(
        [operation.share for operation in section.operations],
        max_share=section.max_share,
        is_per_class=section.per_class,
        min_per_class=section.min_per_class,
    )
    gate = DriftGate(
        section.min_similarity,
        section.max_edit_distance,
        load_embed(section.embedder) if section.embedder is not None else None,
    )
    return [
        Augmentation(
            [
                operation_of(operation, folder=folder, load_write=load_write)
                for operation in section.operations
            ],
            quota,
            seed=seed,
            gate=gate,
            label_field=section.label_field,
            attempts=section.attempts,
            group_field=group_field,
            provenance_field=provenance_field,
            held_out=held_out,
        )
    ]


def operation_of(section: sections.AugmentOperation, *, folder: Path, load_write: LoadWrite) -> Operation:
    """Return the operation of a section."""
    match section:
        case sections.SynonymsAugment():
            return Synonyms(thesaurus_of(section.file, section.wordnet, folder), section.rate)
        case sections.InsertionAugment():
            return Insertion(thesaurus_of(section.file, section.wordnet, folder), section.rate)
        case sections.MaskingAugment():
            return Masking(section.rate, section.mask)
        case sections.PrefixAugment() | sections.SuffixAugment():
            return Affix(section.kind, section.phrases)
        case sections.SentenceOrderAugment():
            return SentenceOrder()
        case sections.BackTranslationAugment():
            if section.model is None:
                return BackTranslation(Apertium(), section.pivot)
            translator = ChatTranslator(load_write(section.model))
            return BackTranslation(translator, section.pivot, is_random=True)
        case sections.ParaphraseAugment():
            return Paraphrase(load_write(section.model), section.prompt)
        case _:
            return _BY_RATE[section.kind](section.rate)


_BY_RATE: dict[str, Callable[[float], Operation]] = {
    "deletion": Deletion,
    "swap": Swap,
    "typing": TypingNoise,
    "ocr": OcrNoise,
    "homophones": Homophones,
}


def thesaurus_of(file: str | None, wordnet: str | None, folder: Path) -> Thesaurus:
    """Return where synonyms come from: a file for both languages, or what is installed for each.

    Raises:
        DataError: The file cannot be read.
    """
    if file is not None:
        groups = read_synonym_file(folder / file)
        return Thesaurus(partial(_synonyms_in, groups), partial(_synonyms_in, groups))
    return Thesaurus(partial(_english_synonyms, wordnet), _chinese_synonyms)


def _synonyms_in(groups: SynonymList) -> SynonymsOf:
    return groups.synonyms


def _english_synonyms(wordnet: str | None) -> SynonymsOf:
    return WordNet(find_wordnet(wordnet)).synonyms


def _chinese_synonyms() -> SynonymsOf:
    return installed_chinese_list().synonyms
