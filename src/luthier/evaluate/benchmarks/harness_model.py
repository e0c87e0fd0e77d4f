"""A model as lm-evaluation-harness asks it: its requests, answered by our own batching."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from lm_eval.api.model import TemplateLM
from lm_eval.utils import get_rolling_token_windows, make_disjoint_window

from luthier.core.errors import DataError
from luthier.models.batched_likelihood import Choices, batched_log_likelihoods
from luthier.models.chat_model import ChatModel
from luthier.models.generate import Sampling

_LONGEST_ANSWER = 256
"""Tokens of an answer where the task names no limit, as in lm-evaluation-harness."""


class HarnessModel(TemplateLM):
    """Answers the requests of lm-evaluation-harness.

    Args:
        model: Answers, and has tokenizer and template.
        batch_size: Prompts of a forward pass; None fills it to a number of tokens.
        tell: Told how many of how many requests are done.
    """

    def __init__(
        self,
        model: ChatModel,
        *,
        batch_size: int | None = None,
        tell: Callable[[int, int], None] = lambda done, total: None,
    ) -> None:
        super().__init__()
        self._model = model
        self._batch_size = batch_size
        self._tell = tell
        self.tokenizer = model.tokenizer

    @property
    def eot_token_id(self) -> int:
        """End of text."""
        return int(self.tokenizer.eos_token_id)

    @property
    def prefix_token_id(self) -> int:
        """What stands before a text that has no prompt."""
        bos = self.tokenizer.bos_token_id
        return self.eot_token_id if bos is None else int(bos)

    def tok_encode(self, string: str, add_special_tokens: bool | None = None, **kwargs: Any) -> list[int]:
        """Return the tokens of a text, which never gets a second beginning."""
        options = {} if add_special_tokens is None else {"add_special_tokens": add_special_tokens}
        if add_special_tokens is None and string.startswith(self.tokenizer.decode([self.prefix_token_id])):
            options["add_special_tokens"] = False
        return list(self.tokenizer.encode(string, **options))

    def apply_chat_template(
        self, chat_history: list[dict[str, str]], add_generation_prompt: bool = True
    ) -> str:
        """Return a conversation as text."""
        return str(
            self.tokenizer.apply_chat_template(
                chat_history,
                tokenize=False,
                add_generation_prompt=add_generation_prompt,
                continue_final_message=not add_generation_prompt,
            )
        )

    @property
    def tokenizer_name(self) -> str:
        """What caches of requests are named by; ours are not cached."""
        return ""

    def _loglikelihood_tokens(
        self, requests: Sequence[tuple[Any, list[int], list[int]]], **kwargs: Any
    ) -> list[tuple[float, bool]]:
        """Measure continuations; those of one prompt go together."""
        groups: dict[tuple[int, ...], list[int]] = {}
        kept = [self._within(prompt, continuation) for _, prompt, continuation in requests]
        for number, (prompt, _) in enumerate(kept):
            groups.setdefault(tuple(prompt), []).append(number)
        found = batched_log_likelihoods(
            self._model.model,
            [Choices(prompt, [kept[number][1] for number in numbers]) for prompt, numbers in groups.items()],
            batch_size=self._batch_size,
            on_progress=lambda done: self._tell(done, len(requests)),
        )
        answers: list[tuple[float, bool]] = [(0.0, False)] * len(requests)
        for numbers, likelihoods in zip(groups.values(), found, strict=True):
            for number, likelihood in zip(numbers, likelihoods, strict=True):
                answers[number] = (likelihood.log_likelihood, likelihood.is_greedy)
        return answers

    def _within(self, prompt: list[int], continuation: list[int]) -> tuple[list[int], list[int]]:
        """Return a request that fits the model: what is too long loses its beginning."""
        room = self._model.max_positions - len(continuation) + 1
        if not continuation or room < 1:
            raise DataError(
                f"a choice of a benchmark has {len(continuation)} tokens, the model reads "
                f"{self._model.max_positions}",
                where="evaluate.benchmarks",
            )
        return prompt[-room:], continuation

    def loglikelihood_rolling(self, requests: Sequence[Any], disable_tqdm: bool = False) -> list[float]:
        """Measure whole texts, window by window."""
        windows, owners = [], []
        for number, request in enumerate(requests):
            (text,) = request.args
            for window in get_rolling_token_windows(
                token_list=self.tok_encode(text),
                prefix_token=self.prefix_token_id,
                max_seq_len=self._model.max_positions,
                context_len=1,
            ):
                windows.append((None, *make_disjoint_window(window)))
                owners.append(number)
        totals = [0.0] * len(requests)
        for owner, (log_likelihood, _) in zip(owners, self._loglikelihood_tokens(windows), strict=True):
            totals[owner] += log_likelihood
        return totals

    def generate_until(self, requests: Sequence[Any], disable_tqdm: bool = False) -> list[str]:
        """Continue prompts greedily until a task's stop."""
        by_settings: dict[tuple[int, tuple[str, ...]], list[int]] = {}
        for number, request in enumerate(requests):
            settings = dict(request.args[1])
            if settings.get("do_sample") or settings.get("temperature"):
                raise DataError(
                    "asks for answers by chance, which differ from run to run",
                    where="evaluate.benchmarks",
                    cure="generation_kwargs: {do_sample: false} in the task file",
                )
            until = settings.get("until") or []
            stops = tuple([until] if isinstance(until, str) else until)
            longest = int(settings.get("max_gen_toks", _LONGEST_ANSWER))
            by_settings.setdefault((longest, stops), []).append(number)
        answers = [""] * len(requests)
        done = 0
        for (longest, stops), numbers in by_settings.items():
            room = self._model.max_positions - longest
            prompts = [self.tok_encode(requests[number].args[0])[-room:] for number in numbers]
            sampling = Sampling(max_new_tokens=longest, stop=tuple(stop for stop in stops if stop))
            for number, answer in zip(numbers, self._model.answers(prompts, sampling), strict=True):
                answers[number] = answer
            done += len(numbers)
            self._tell(done, len(requests))
        return answers
