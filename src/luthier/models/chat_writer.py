"""ChatWriter: a chat model as a plain function from prompts to answers, for whoever knows nothing of models."""

from __future__ import annotations

from collections.abc import Sequence

from luthier.data.sample import Message
from luthier.models.chat_model import ChatModel
from luthier.models.generate import Sampling
from luthier.models.load import locate_base


class ChatWriter:
    """Answers prompts, each as the first turn of a conversation.

    Args:
        base: A folder, a GGUF file, a name in the catalogue or a hub id.
        temperature: 0 takes the most probable answer.
        top_p: Share of the probability mass that is sampled from.
        max_new_tokens: Longest answer.

    Raises:
        ModelError: The model cannot be found or loaded.
    """

    def __init__(
        self, base: str, *, temperature: float = 0.7, top_p: float = 0.95, max_new_tokens: int = 256
    ) -> None:
        self._model = ChatModel.from_folder(locate_base(base))
        self._temperature = temperature
        self._top_p = top_p
        self._max_new_tokens = max_new_tokens

    def __call__(self, prompts: Sequence[str], seeds: Sequence[int]) -> list[str]:
        """Return an answer to each prompt.

        Args:
            prompts: What a user says.
            seeds: One a prompt; prompts are decoded in batches, and the first seed makes the choices of all.
        """
        if not prompts:
            return []
        sampling = Sampling(
            max_new_tokens=self._max_new_tokens,
            temperature=self._temperature,
            top_p=self._top_p,
            seed=seeds[0],
        )
        turns = [self._model.prompt_ids([Message("user", prompt)]) for prompt in prompts]
        return self._model.answers(turns, sampling)
