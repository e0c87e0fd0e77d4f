"""ChatModel: a base or a result, ready to answer, with the template and stop tokens that it was trained with."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Self

import torch

from luthier.core.errors import ModelError, TemplateError
from luthier.data.sample import Message
from luthier.data.template import ChatTemplate
from luthier.data.tokenizer import load_tokenizer
from luthier.models.generate import FinishReason, Sampling, TextStream, decode
from luthier.models.heads import saved_head
from luthier.models.load import BaseForm, ResultRecord, load_trained
from luthier.plan.hardware import detect_hardware

_BATCH = 16
_SAMPLED = 32
"""Answers of a batch that are sampled to a few prompts; the prompts are read once, their caches are then copied."""
_SEED_STEP = 1_000_003
"""Between the seeds of batches, so that those of nearby seeds do not meet."""


@dataclass(frozen=True)
class Piece:
    """A part of an answer.

    Args:
        text: What is new.
        num_tokens: Tokens generated so far.
        finish_reason: None until the last piece.
    """

    text: str
    num_tokens: int
    finish_reason: FinishReason | None = None


class ChatModel:
    """Answers conversations and continues texts.

    Args:
        model: In evaluation mode.
        tokenizer: Of the same folder.
        template: None for a model of raw text, which only continues.
    """

    def __init__(self, model: Any, tokenizer: Any, template: ChatTemplate | None) -> None:
        self.model = model
        self.tokenizer = tokenizer
        self.template = template
        self.max_positions = int(model.config.max_position_embeddings)
        self.stop_token_ids = frozenset(stop_token_ids(tokenizer, template))

    @classmethod
    def from_folder(cls, folder: Path, *, base_form: BaseForm = "unpacked") -> Self:
        """Load a base or a result.

        The type of its weights is the one it was trained in; for other models what this machine computes natively.

        Args:
            folder: Of the model.
            base_form: What becomes of a base that was in 4 bits: by default its values, dense, which answer faster.

        Raises:
            ModelError: It cannot be loaded.
        """
        if saved_head(folder) is not None:
            problem = "was trained for a task with a head, and answers nothing in words"
            raise ModelError(problem, where=str(folder), cure=f"luthier predict {folder} --text …")
        record = ResultRecord.load(folder)
        native = "bfloat16" if detect_hardware().has_native_bfloat16 else "float32"
        name = record.dtype if record else native
        model, text_folder = load_trained(folder, dtype=getattr(torch, name), base_form=base_form)
        tokenizer, template = load_text_side(text_folder)
        return cls(model, tokenizer, template)

    @property
    def vocabulary_size(self) -> int:
        """How many tokens the model can read."""
        return int(self.model.get_input_embeddings().weight.shape[0])

    def prompt_ids(self, messages: Sequence[Message], tools: Sequence[Mapping[str, Any]] = ()) -> list[int]:
        """Return the tokens of a conversation that wait for an answer.

        Raises:
            TemplateError: The model has no chat template, or it refuses these turns.
        """
        if self.template is None:
            raise TemplateError("this model was trained on raw text and has no chat template")
        return self.template.prompt_ids(messages, tools)

    def text_ids(self, text: str) -> list[int]:
        """Return the tokens of a text to be continued."""
        return list(self.tokenizer(text)["input_ids"])

    def stream(self, prompt: Sequence[int], sampling: Sampling) -> Iterator[Piece]:
        """Yield the answer to one prompt, piece by piece; the last piece has the finish reason."""
        text = TextStream(self.tokenizer, sampling.stop)
        count = 0
        for (token,) in self._decode([prompt], sampling):
            assert token is not None
            count += 1
            if token in self.stop_token_ids:
                yield Piece(text.finish(), count, "stop")
                return
            if piece := text.add(token):
                yield Piece(piece, count)
            if text.is_stopped:
                yield Piece("", count, "stop")
                return
        rest = text.finish()
        yield Piece(rest, count, "stop" if text.is_stopped else "length")

    def answers(
        self,
        prompts: Sequence[Sequence[int]],
        sampling: Sampling,
        *,
        on_progress: Callable[[int], None] = lambda done: None,
    ) -> list[str]:
        """Return the answers to many prompts, decoded in batches of similar length."""
        return [piece.text for piece in self.completions(prompts, sampling, on_progress=on_progress)]

    def completions(
        self,
        prompts: Sequence[Sequence[int]],
        sampling: Sampling,
        *,
        on_progress: Callable[[int], None] = lambda done: None,
    ) -> list[Piece]:
        """Return the answers to many prompts, each whole with its tokens and why it ended; see `answers`."""
        by_length = sorted(range(len(prompts)), key=lambda number: len(prompts[number]))
        pieces: dict[int, Piece] = {}
        for start in range(0, len(by_length), _BATCH):
            chosen = by_length[start : start + _BATCH]
            whole = self._whole([prompts[number] for number in chosen], sampling)
            pieces.update(zip(chosen, whole, strict=True))
            on_progress(start + len(chosen))
        return [pieces[number] for number in range(len(prompts))]

    def samples(
        self,
        prompts: Sequence[Sequence[int]],
        sampling: Sampling,
        count: int,
        *,
        on_progress: Callable[[int], None] = lambda done: None,
    ) -> list[list[Piece]]:
        """Return several answers to each prompt, which is read once for all of them.

        Args:
            prompts: Token ids.
            sampling: Its seed, if any, gives every batch one of its own.
            count: Answers to each prompt.
            on_progress: Told how many prompts are done.
        """
        by_length = sorted(range(len(prompts)), key=lambda number: len(prompts[number]))
        size = max(1, _SAMPLED // count)
        pieces: list[list[Piece]] = [[] for _ in prompts]
        num_batches = 0
        for start in range(0, len(by_length), size):
            chosen = by_length[start : start + size]
            for drawn in range(0, count, _SAMPLED):
                copies = min(_SAMPLED, count - drawn)
                num_batches += 1
                # With one seed for all batches their answers would hang together, or be the same ones.
                seed = None if sampling.seed is None else sampling.seed + _SEED_STEP * num_batches
                own = replace(sampling, seed=seed)
                whole = self._whole([prompts[number] for number in chosen], own, copies)
                for place, number in enumerate(chosen):
                    pieces[number] += whole[place * copies : (place + 1) * copies]
            on_progress(start + len(chosen))
        return pieces

    def _whole(self, prompts: Sequence[Sequence[int]], sampling: Sampling, copies: int = 1) -> list[Piece]:
        """Return the answers of one batch; it ends as soon as all of them have ended, by stop strings too."""
        rows = len(prompts) * copies
        texts = [TextStream(self.tokenizer, sampling.stop) for _ in range(rows)]
        written: list[list[str]] = [[] for _ in range(rows)]
        counts = [0] * rows
        ends: list[FinishReason | None] = [None] * rows
        for step in self._decode(prompts, sampling, copies):
            for row, token in enumerate(step):
                if token is None or ends[row]:
                    continue
                counts[row] += 1
                if token in self.stop_token_ids:
                    ends[row] = "stop"
                    continue
                written[row].append(texts[row].add(token))
                ends[row] = "stop" if texts[row].is_stopped else None
            if all(ends):
                break
        for row, text in enumerate(texts):
            written[row].append(text.finish())
            ends[row] = ends[row] or ("stop" if text.is_stopped else "length")
        return [Piece("".join(w), n, end) for w, n, end in zip(written, counts, ends, strict=True)]

    def _decode(
        self, prompts: Sequence[Sequence[int]], sampling: Sampling, copies: int = 1
    ) -> Iterator[list[int | None]]:
        return decode(
            self.model,
            prompts,
            sampling,
            stop_token_ids=self.stop_token_ids,
            pad_token_id=self.tokenizer.pad_token_id,
            copies=copies,
        )


def stop_token_ids(tokenizer: Any, template: ChatTemplate | None) -> tuple[int, ...]:
    """Return the tokens that end an answer: those of the template, or of raw text the tokenizer's end token."""
    if template is not None:
        return template.stop_token_ids
    return () if tokenizer.eos_token_id is None else (tokenizer.eos_token_id,)


def load_text_side(folder: Path) -> tuple[Any, ChatTemplate | None]:
    """Return the tokenizer and chat template that a folder is served with."""
    tokenizer = load_tokenizer(folder)
    return tokenizer, ChatTemplate(tokenizer) if tokenizer.chat_template else None
