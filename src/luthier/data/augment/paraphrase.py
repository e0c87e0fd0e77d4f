"""Paraphrase: a local chat model says the same in other words."""

from __future__ import annotations

from collections.abc import Sequence
from random import Random

from luthier.data.augment.answers import bare_answer
from luthier.data.augment.contract import Write
from luthier.data.augment.language import is_chinese

_ENGLISH = "Rewrite this in other words with the same meaning. Answer with the rewritten text only.\n\n{text}"
_CHINESE = "请用不同的说法改写下面这句话，意思保持不变。只回答改写后的句子。\n\n{text}"


class Paraphrase:
    """Asks a chat model for other words.

    Args:
        write: The model.
        prompt: Asks for it; ``{text}`` is where the text goes. Default: one in the language of the text.
    """

    kind = "paraphrase"
    is_random = True
    is_once_per_row = False

    def __init__(self, write: Write, prompt: str | None = None) -> None:
        self.write = write
        self.prompt = prompt

    def rewrite(self, texts: Sequence[str], randoms: Sequence[Random]) -> list[str]:
        """Paraphrase each text; an empty answer leaves it as it was."""
        prompts = [self._prompt(text).replace("{text}", text) for text in texts]
        answers = self.write(prompts, [random.getrandbits(32) for random in randoms])
        return [bare_answer(answer, text) or text for text, answer in zip(texts, answers, strict=True)]

    def _prompt(self, text: str) -> str:
        return self.prompt or (_CHINESE if is_chinese(text) else _ENGLISH)
