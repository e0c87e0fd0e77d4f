"""Decode answers token by token: greedy or sampled, alone or in a batch, with a key-value cache."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import torch
from torch import Tensor

# Shapes: B prompts, T tokens, V vocabulary.

FinishReason = Literal["stop", "length"]


@dataclass(frozen=True)
class Sampling:
    """How the next token is chosen.

    Args:
        max_new_tokens: Longest answer.
        temperature: 0 takes the most probable token.
        top_p: Share of the probability mass that is sampled from (arXiv:1904.09751).
        seed: Of the samples; None draws one.
        stop: Strings that end the answer; they are not part of it.
    """

    max_new_tokens: int
    temperature: float = 0.0
    top_p: float = 1.0
    seed: int | None = None
    stop: tuple[str, ...] = ()


def decode(
    model: Any,
    prompts: Sequence[Sequence[int]],
    sampling: Sampling,
    *,
    stop_token_ids: Collection[int],
    pad_token_id: int,
    copies: int = 1,
) -> Iterator[list[int | None]]:
    """Yield the next token of every prompt, step by step; None for answers that have ended.

    Prompts are padded on the left. A stop token is yielded and ends its answer. Greedy decoding takes the
    tokens that ``transformers`` ``generate(do_sample=False)`` takes.

    Args:
        model: A causal language model in evaluation mode.
        prompts: Token ids, each at least one.
        sampling: How tokens are chosen; its ``stop`` strings are the caller's business.
        stop_token_ids: End an answer.
        pad_token_id: Filler; masked, so its value does not matter.
        copies: Answers drawn to each prompt, which is read once; all of the first prompt come first.
    """
    tokens_BT, mask_BT = _left_padded(prompts, pad_token_id)
    positions_BT = (mask_BT.cumsum(dim=1) - 1).clamp(min=0)
    generator = torch.Generator()
    if sampling.seed is None:
        generator.seed()
    else:
        generator.manual_seed(sampling.seed)
    rows = len(prompts) * copies
    is_open = [True] * rows
    cache = None
    for step in range(sampling.max_new_tokens):
        logits_BV, cache = _forward(model, tokens_BT, mask_BT, positions_BT, cache)
        if step == 0 and copies > 1:
            cache.batch_repeat_interleave(copies)
            logits_BV, mask_BT, positions_BT = (
                each.repeat_interleave(copies, dim=0) for each in (logits_BV, mask_BT, positions_BT)
            )
        chosen = _choose(logits_BV, sampling, generator).tolist()
        yield [token if still else None for token, still in zip(chosen, is_open, strict=True)]
        is_open = [
            still and token not in stop_token_ids for token, still in zip(chosen, is_open, strict=True)
        ]
        if not any(is_open):
            return
        tokens_BT = torch.tensor(chosen).unsqueeze(1)
        mask_BT = torch.cat([mask_BT, mask_BT.new_ones(rows, 1)], dim=1)
        positions_BT = positions_BT[:, -1:] + 1


def _left_padded(prompts: Sequence[Sequence[int]], pad_token_id: int) -> tuple[Tensor, Tensor]:
    longest = max(len(prompt) for prompt in prompts)
    tokens = [[pad_token_id] * (longest - len(prompt)) + list(prompt) for prompt in prompts]
    mask = [[0] * (longest - len(prompt)) + [1] * len(prompt) for prompt in prompts]
    return torch.tensor(tokens), torch.tensor(mask)


# Not a context around the generator's loop: gradients would stay off in the caller between two tokens.
@torch.no_grad()
def _forward(model: Any, tokens: Tensor, mask: Tensor, positions: Tensor, cache: Any) -> tuple[Tensor, Any]:
    outputs = model(
        input_ids=tokens,
        attention_mask=mask,
        position_ids=positions,
        past_key_values=cache,
        use_cache=True,
        logits_to_keep=1,
    )
    return outputs.logits[:, -1].float(), outputs.past_key_values


def _choose(logits_BV: Tensor, sampling: Sampling, generator: torch.Generator) -> Tensor:
    """Return a token for each row."""
    if sampling.temperature == 0.0:
        return logits_BV.argmax(dim=-1)
    probabilities_BV = torch.softmax(logits_BV / sampling.temperature, dim=-1)
    ordered_BV, order_BV = probabilities_BV.sort(dim=-1, descending=True)
    # The token that crosses the limit still belongs to the nucleus: what counts is the mass before it.
    ordered_BV[ordered_BV.cumsum(dim=-1) - ordered_BV >= sampling.top_p] = 0.0
    drawn_B1 = torch.multinomial(ordered_BV, 1, generator=generator)
    return order_BV.gather(1, drawn_B1).squeeze(1)


class TextStream:
    """Turns a growing list of tokens into text, piece by piece.

    A piece appears once its characters are whole (several tokens may make one Chinese character or one
    emoji) and once no stop string can begin in it.

    Args:
        tokenizer: Decodes; special tokens are left out.
        stop: Strings that end the text.
    """

    def __init__(self, tokenizer: Any, stop: Sequence[str] = ()) -> None:
        self._tokenizer = tokenizer
        self._stop = [text for text in stop if text]
        self._ids: list[int] = []
        self._start = 0
        self._read = 0
        self._held = ""
        self.is_stopped = False

    def add(self, token: int) -> str:
        """Return the text that is certain once ``token`` is known; nothing after a stop string."""
        if self.is_stopped:
            return ""
        self._ids.append(token)
        # The first token of a text may lose its space, so each decoding begins some tokens earlier.
        before = self._decode(self._ids[self._start : self._read])
        whole = self._decode(self._ids[self._start :])
        if whole.endswith("�") or len(whole) <= len(before):
            return ""
        self._start, self._read = self._read, len(self._ids)
        return self._release(whole[len(before) :], is_last=False)

    def finish(self) -> str:
        """Return the rest; characters that were never completed are replaced by the Unicode mark for that."""
        if self.is_stopped:
            return ""
        before = self._decode(self._ids[self._start : self._read])
        rest = self._decode(self._ids[self._start :])[len(before) :]
        self._start = self._read = len(self._ids)
        return self._release(rest, is_last=True)

    def _decode(self, ids: list[int]) -> str:
        return str(self._tokenizer.decode(ids, skip_special_tokens=True, clean_up_tokenization_spaces=False))

    def _release(self, text: str, *, is_last: bool) -> str:
        text = self._held + text
        # The string that is complete first counts, so that the text does not depend on the tokens' borders.
        found = [(text.find(stop) + len(stop), text.find(stop)) for stop in self._stop if stop in text]
        if found:
            self.is_stopped, self._held = True, ""
            return text[: min(found)[1]]
        keep = 0 if is_last else self._possible_stop(text)
        self._held = text[len(text) - keep :]
        return text[: len(text) - keep]

    def _possible_stop(self, text: str) -> int:
        """Return the length of the longest end of ``text`` that a stop string begins with."""
        lengths = (n for stop in self._stop for n in range(min(len(stop) - 1, len(text)), 0, -1)
                   if text.endswith(stop[:n]))  # fmt: skip
        return max(lengths, default=0)
