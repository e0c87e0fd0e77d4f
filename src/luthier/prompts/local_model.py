"""LocalModel: a base or a result on this machine, asked in batches."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Self

from luthier.core.errors import DataError
from luthier.core.hashing import fingerprint, hash_file
from luthier.data.example import IGNORED
from luthier.data.sample import Message
from luthier.models.chat_model import ChatModel
from luthier.models.generate import Sampling
from luthier.models.log_likelihood import log_likelihoods
from luthier.prompts.answer import Answer
from luthier.prompts.prompt import Rendered
from luthier.prompts.sections import PromptFile
from luthier.prompts.text_side import TextSide

_BATCH = 16


class LocalModel:
    """A model that is loaded here.

    Args:
        model: Loaded.
        name: For people.
        identity: Of its weights.
    """

    measures_choices = True

    def __init__(self, model: ChatModel, name: str, identity: str) -> None:
        self.name = name
        self.identity = identity
        self._model = model
        self._side = TextSide(model.tokenizer, model.template, model.max_positions)
        self._known_choices: dict[str, list[int]] = {}

    @classmethod
    def from_folder(cls, folder: Path, name: str) -> Self:
        """Load a base or a result.

        Raises:
            ModelError: It cannot be loaded.
        """
        model = ChatModel.from_folder(folder)
        files = [path for path in sorted(folder.iterdir()) if path.suffix in (".safetensors", ".json")]
        hashes = [(path.name, hash_file(path)) for path in files]
        return cls(model, name, fingerprint(hashes, str(model.model.dtype)))

    def num_tokens(self, rendered: Rendered, file: PromptFile) -> int:
        """Return the tokens of a prompt."""
        return self._side.num_tokens(rendered, file)

    def max_tokens(self, file: PromptFile) -> int:
        """Return the longest prompt that leaves room for an answer."""
        return self._side.max_tokens(file)

    def generate(self, rendered: Sequence[Rendered], file: PromptFile) -> Iterator[list[tuple[int, Answer]]]:
        """Yield greedy answers, prompts of like length together."""
        prompts = [self._side.prompt_ids(question, file) for question in rendered]
        sampling = Sampling(max_new_tokens=file.max_new_tokens, stop=tuple(file.stop))
        for batch in _batches(prompts):
            begun = time.perf_counter()
            pieces = self._model.completions([prompts[number] for number in batch], sampling)
            seconds = (time.perf_counter() - begun) / len(batch)
            yield [
                (n, Answer(p.text, p.finish_reason or "stop", (), (), len(prompts[n]), p.num_tokens, seconds))
                for n, p in zip(batch, pieces, strict=True)
            ]

    def choose(self, rendered: Sequence[Rendered], file: PromptFile) -> Iterator[list[tuple[int, Answer]]]:
        """Yield how probable each choice is as the answer; in a chat the end of the turn belongs to it."""
        for number, question in enumerate(rendered):
            begun = time.perf_counter()
            prompt, continuations = self._with_choices(question, file)
            if (longest := len(prompt) + max(map(len, continuations))) > self._model.max_positions:
                problem = f"has {longest} tokens with its longest choice, the model reads {self._model.max_positions}"
                raise DataError(problem, where=question.row.place, cure="fewer examples, or shorter choices")
            found = log_likelihoods(self._model.model, prompt, continuations)
            answer = Answer(
                "",
                "stop",
                tuple(likelihood.log_likelihood for likelihood in found),
                tuple(likelihood.num_tokens for likelihood in found),
                len(prompt),
                sum(likelihood.num_tokens for likelihood in found),
                time.perf_counter() - begun,
            )
            yield [(number, answer)]

    def _with_choices(self, question: Rendered, file: PromptFile) -> tuple[list[int], list[list[int]]]:
        if file.format == "text":
            return self._continued(question.text, question.choices)
        return self._side.prompt_ids(question, file), [self._turn_ids(choice) for choice in question.choices]

    def _turn_ids(self, choice: str) -> list[int]:
        """Return the tokens of an assistant turn as it is trained, its end included."""
        if choice not in self._known_choices:
            template: Any = self._model.template
            # Prompt and answer are tokenized apart, so that any question gives the same tokens.
            turns = [Message("user", "question"), Message("assistant", choice)]
            labels = template.encode(turns, loss_on="last_turn").labels
            self._known_choices[choice] = [label for label in labels if label != IGNORED]
        return self._known_choices[choice]

    def _continued(self, text: str, choices: Sequence[str]) -> tuple[list[int], list[list[int]]]:
        """Return the tokens of a text and of what may follow it, divided as lm-evaluation-harness does.

        A space at the end of the text belongs to the tokens that follow; a choice without one gets it.
        """
        stem = text.rstrip(" ")
        gap = text[len(stem) :] or " "
        prompt = self._model.text_ids(stem)
        wholes = [self._model.text_ids(stem + gap + choice.lstrip(" ")) for choice in choices]
        return prompt, [whole[len(prompt) :] for whole in wholes]


def _batches(prompts: Sequence[Sequence[int]]) -> Iterator[list[int]]:
    by_length = sorted(range(len(prompts)), key=lambda number: len(prompts[number]))
    for start in range(0, len(by_length), _BATCH):
        yield by_length[start : start + _BATCH]
