"""ServedModel: a model behind an OpenAI-compatible server, asked several questions at a time."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor

from luthier.core.errors import DataError
from luthier.core.hashing import fingerprint
from luthier.models.endpoint import Endpoint
from luthier.prompts.answer import Answer
from luthier.prompts.prompt import Rendered
from luthier.prompts.sections import PromptFile


class ServedModel:
    """A model that is asked over HTTP.

    Args:
        endpoint: Where it is.
        at_once: Questions that wait for an answer at the same time.
    """

    measures_choices = False

    def __init__(self, endpoint: Endpoint, at_once: int = 8) -> None:
        self.name = endpoint.model
        self.identity = fingerprint("served", endpoint.address, endpoint.model)
        self._endpoint = endpoint
        self._at_once = at_once

    def num_tokens(self, rendered: Rendered, file: PromptFile) -> None:
        """Return nothing: only the server knows."""

    def max_tokens(self, file: PromptFile) -> None:
        """Return nothing: the server refuses what is too long."""

    def generate(self, rendered: Sequence[Rendered], file: PromptFile) -> Iterator[list[tuple[int, Answer]]]:
        """Yield answers as they come, in order.

        Raises:
            ServeError: The server refuses or cannot be reached; answers so far were yielded.
        """
        with ThreadPoolExecutor(self._at_once) as pool:
            for start in range(0, len(rendered), self._at_once):
                batch = range(start, min(start + self._at_once, len(rendered)))
                answers = pool.map(lambda number: self._ask(rendered[number], file), batch)
                yield list(zip(batch, answers, strict=True))

    def choose(self, rendered: Sequence[Rendered], file: PromptFile) -> Iterator[list[tuple[int, Answer]]]:
        """Refuse: servers do not tell how probable a given text is.

        Raises:
            DataError: Always.
        """
        cure = "--metric accuracy, which reads the answer; or --model with the model's folder"
        raise DataError("a server does not tell how probable a choice is", where="--server", cure=cure)

    def _ask(self, question: Rendered, file: PromptFile) -> Answer:
        if file.format == "text":
            cure = "format: chat"
            raise DataError("a server is asked in turns, this prompt is a text", where=file.name, cure=cure)
        begun = time.perf_counter()
        got = self._endpoint.ask(question.messages, max_new_tokens=file.max_new_tokens, stop=file.stop)
        seconds = time.perf_counter() - begun
        return Answer(got.text, got.finish_reason, (), (), got.prompt_tokens, got.new_tokens, seconds)
