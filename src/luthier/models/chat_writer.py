"""ChatWriter: a chat model as a plain function from prompts to answers, for whoever knows nothing of models."""

from __future__ import annotations

from collections.abc import Sequence

from luthier.data.sample import Message
from luthier.models.chat_model import ChatModel
from luthier.models.generate import Sampling
from luthier.models.load import locate_base

_BATCH = 16
_ROOM = 32


class ChatWriter:
    """Rewrites texts as prompts ask, each the first turn of a conversation.

    An answer may be as long as its prompt and a little more: a text in other words is. One that is longer is
    cut off, and so not given at all.

    Args:
        base: A folder, a GGUF file, a name in the catalogue or a hub id.
        temperature: 0 takes the most probable answer.
        top_p: Share of the probability mass that is sampled from.

    Raises:
        ModelError: The model cannot be found or loaded.
    """

    def __init__(self, base: str, *, temperature: float = 0.7, top_p: float = 0.95) -> None:
        self._model = ChatModel.from_folder(locate_base(base))
        self._temperature = temperature
        self._top_p = top_p

    def __call__(self, prompts: Sequence[str], seeds: Sequence[int]) -> list[str]:
        """Return an answer to each prompt, empty where it was cut off.

        Args:
            prompts: What a user says.
            seeds: One a prompt; prompts of like length are decoded together by the seed of the first.
        """
        turns = [self._model.prompt_ids([Message("user", prompt)]) for prompt in prompts]
        order = sorted(range(len(turns)), key=lambda number: len(turns[number]))
        answers = [""] * len(turns)
        for start in range(0, len(order), _BATCH):
            chosen = order[start : start + _BATCH]
            limit = len(turns[chosen[-1]]) + _ROOM
            sampling = Sampling(
                max_new_tokens=limit,
                temperature=self._temperature,
                top_p=self._top_p,
                seed=seeds[chosen[0]],
            )
            written = self._model.answers([turns[number] for number in chosen], sampling)
            for number, answer in zip(chosen, written, strict=True):
                # Tokenized again, a text may come to a token less than was generated.
                is_cut = len(self._model.text_ids(answer)) >= limit - 1
                answers[number] = "" if is_cut else answer
        return answers
