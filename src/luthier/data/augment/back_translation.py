"""Back-translation: a text into another language and back, which keeps the meaning and changes the words."""

from __future__ import annotations

from collections.abc import Sequence
from random import Random

from luthier.data.augment.answers import bare_answer
from luthier.data.augment.contract import Translator, Write
from luthier.data.augment.language import is_chinese

_LANGUAGES = {"eng": "English", "zho": "Chinese", "spa": "Spanish", "fra": "French", "deu": "German"}


class BackTranslation:
    """Translates to a pivot language and back.

    Args:
        translator: The engine.
        pivot: ISO 639-3 code of the language between.
        is_random: Whether the engine translates differently at another attempt.
    """

    kind = "back_translation"
    is_once_per_row = False

    def __init__(self, translator: Translator, pivot: str = "spa", *, is_random: bool = False) -> None:
        self.translator = translator
        self.pivot = pivot
        self.is_random = is_random

    def rewrite(self, texts: Sequence[str], randoms: Sequence[Random]) -> list[str]:
        """Translate there and back; what an engine returns empty stays as it was."""
        results = list(texts)
        seeds = [random.getrandbits(32) for random in randoms]
        for language in ("eng", "zho"):
            chosen = [i for i, text in enumerate(texts) if is_chinese(text) == (language == "zho")]
            if not chosen:
                continue
            chosen_seeds = [seeds[i] for i in chosen]
            there = self.translator.translate([texts[i] for i in chosen], language, self.pivot, chosen_seeds)
            back = self.translator.translate(there, self.pivot, language, chosen_seeds)
            for i, between, text in zip(chosen, there, back, strict=True):
                results[i] = text if between.strip() and text.strip() else texts[i]
        return results


class ChatTranslator:
    """Translates with a chat model.

    Args:
        write: The model.
    """

    def __init__(self, write: Write) -> None:
        self.write = write

    def translate(self, texts: Sequence[str], source: str, target: str, seeds: Sequence[int]) -> list[str]:
        """Return as many translations; one that is not a translation alone becomes empty."""
        languages = [_LANGUAGES.get(code, code) for code in (source, target)]
        prompts = [
            f"Translate from {languages[0]} to {languages[1]}. Answer with the translation only.\n\n{text}"
            for text in texts
        ]
        answers = self.write(prompts, seeds)
        return [bare_answer(answer, text) for text, answer in zip(texts, answers, strict=True)]
