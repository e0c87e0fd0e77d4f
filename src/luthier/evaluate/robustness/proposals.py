"""Candidates of attacks that only ask the model: one word, one pair of words, or one inserted sentence at a time."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import product
from pathlib import Path
from random import Random

from luthier.data.augment.build import thesaurus_of
from luthier.data.augment.contract import WordOperation
from luthier.data.augment.homophones import Homophones
from luthier.data.augment.language import has_chinese, is_chinese
from luthier.data.augment.ocr_noise import OcrNoise
from luthier.data.augment.segment import edit_text
from luthier.data.augment.swap import Swap
from luthier.data.augment.synonyms import Synonyms
from luthier.data.augment.typing_noise import TypingNoise
from luthier.evaluate.robustness.phrases import INJECTIONS, IRRELEVANT
from luthier.evaluate.robustness.search import Proposer, Standing
from luthier.evaluate.robustness.victim import Victim
from luthier.recipe.evaluate_sections.robustness import RobustnessSection

ONE_WORD = 1e-9
"""Rate at which operations alter one word, the least they do."""
_DRAWS_A_CANDIDATE = 3
_TARGETS = 4

_NOISE: dict[str, Callable[[float], WordOperation]] = {
    "typing": TypingNoise,
    "homophones": Homophones,
    "ocr": OcrNoise,
    "word_order": Swap,
}


def proposer_of(name: str, section: RobustnessSection, victim: Victim, folder: Path) -> Proposer:
    """Return what makes the candidates of an attack.

    Args:
        name: Of the attack.
        section: Of the recipe.
        victim: Knows wrong answers.
        folder: Where the path of a synonym file starts.
    """
    if name == "irrelevant":
        return Sentences()
    if name == "injection":
        return Orders(victim)
    if name == "synonyms":
        return Words(synonyms_of(section, folder))
    return Words(_NOISE[name](ONE_WORD))


def synonyms_of(section: RobustnessSection, folder: Path) -> Synonyms:
    """Return the operation that replaces one word by a synonym.

    Raises:
        DataError: The synonym file cannot be read.
    """
    return Synonyms(thesaurus_of(section.synonym_file, section.wordnet, folder), ONE_WORD)


class Words:
    """Candidates that differ in one word, or one pair of them.

    Args:
        operation: Alters one word.
    """

    queries_a_round = 0

    def __init__(self, operation: WordOperation) -> None:
        self._operation = operation

    def propose(self, standings: Sequence[Standing], count: int) -> list[list[str]]:
        """Return texts that the operation made; fewer where it keeps making the same ones."""
        return [self._altered(standing, count) for standing in standings]

    def _altered(self, standing: Standing, count: int) -> list[str]:
        made: dict[str, None] = {}
        for _ in range(_DRAWS_A_CANDIDATE * count):
            text, _ = edit_text(standing.text, self._operation, standing.random)
            if text not in standing.seen:
                made[text] = None
            if len(made) == count:
                break
        return list(made)


class Sentences:
    """Candidates with a sentence before or after the text that has nothing to do with it."""

    queries_a_round = 0

    def propose(self, standings: Sequence[Standing], count: int) -> list[list[str]]:
        """Return texts with a sentence more, in random order."""
        return [
            _beside(standing, IRRELEVANT[is_chinese(standing.original)], count, standing.random)
            for standing in standings
        ]


class Orders:
    """Candidates with an order to the model before or after the text: to say a wrong answer.

    Args:
        victim: Knows wrong answers.
    """

    queries_a_round = 0

    def __init__(self, victim: Victim) -> None:
        self._victim = victim

    def propose(self, standings: Sequence[Standing], count: int) -> list[list[str]]:
        """Return texts with an order more, in random order."""
        return [self._ordered(standing, count) for standing in standings]

    def _ordered(self, standing: Standing, count: int) -> list[str]:
        wrong = self._victim.wrong_answers(standing.sample)
        targets = standing.random.sample(list(wrong), min(_TARGETS, len(wrong)))
        orders = [
            order.format(target=target)
            for target, order in product(targets, INJECTIONS[is_chinese(standing.original)])
        ]
        return _beside(standing, orders, count, standing.random)


def _beside(standing: Standing, sentences: Sequence[str], count: int, random: Random) -> list[str]:
    """Return texts with one of the sentences on either side; none that stands there already."""
    fresh = [sentence for sentence in sentences if sentence not in standing.text]
    pairs = [(f, s) for each in fresh for f, s in ((each, standing.text), (standing.text, each))]
    texts = [joined(first, second) for first, second in pairs]
    new = [text for text in texts if text not in standing.seen]
    return random.sample(new, min(count, len(new)))


def joined(first: str, second: str) -> str:
    """Return two texts as one, with a space between them where a language writes spaces."""
    is_apart = not first[-1:].isspace() and not has_chinese(first[-2:]) and not has_chinese(second[:1])
    return f"{first} {second}" if is_apart else first + second
