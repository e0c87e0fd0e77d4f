"""Tags of words, and the entities that they mark."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from luthier.core.errors import DataError
from luthier.data.tagging.raw_text import Word, words_of_text
from luthier.data.tagging.schemes import detect_scheme, entities_of
from luthier.data.tagging.words import LabelOn, Window, WordTokenizer, token_of_words
from luthier.kernels.accelerate import accelerate
from luthier.serve.prediction.contract import LoadedHead
from luthier.serve.prediction.window_batches import run_windows

_SHOWN_ENTITIES = 5


class TagPredictor:
    """Tags words: those of a row's ``tokens``, or those of its ``text``, which are told from blanks and punctuation.

    Args:
        loaded: The model.
    """

    fields: tuple[str, ...] = ("text",)
    takes_tokens = True

    def __init__(self, loaded: LoadedHead) -> None:
        self._loaded = loaded
        self._label_on: LabelOn = loaded.settings.get("label_on", "first")
        self._scheme = detect_scheme(loaded.head.labels)
        self._words = WordTokenizer(loaded.tokenizer, max_length=loaded.window_length)
        accelerate(loaded.model, compute_dtype=loaded.dtype, fused_loss=False)

    def __call__(
        self, rows: Sequence[Mapping[str, Any]], on_progress: Callable[[int], None] = lambda done: None
    ) -> list[dict[str, Any]]:
        """Return words, tags and entities of each row, in their order."""
        words = [_words_of(row, number) for number, row in enumerate(rows, 1)]
        windows: list[tuple[int, Window]] = [
            (number, window)
            for number, own in enumerate(words)
            for window in self._words.windows([word.text for word in own])[0]
        ]
        said: list[list[tuple[str, float]]] = [[("", 0.0)] * len(own) for own in words]
        inputs = [(window.input_ids, None) for _, window in windows]
        last_window = {row: place for place, (row, _) in enumerate(windows)}
        finished = 0
        for place, length, outputs, at in run_windows(self._loaded, inputs, lambda done: None):
            row, window = windows[place]
            spread_TC = outputs.logits[at, :length].float().softmax(dim=-1).cpu().numpy()
            for offset, token in enumerate(token_of_words(window, self._label_on)):
                best = int(spread_TC[token].argmax())
                said[row][window.first_word + offset] = (
                    self._loaded.head.labels[best],
                    float(spread_TC[token, best]),
                )
            finished += last_window[row] == place
            on_progress(finished)
        return [self._facts(row, own, tags) for row, own, tags in zip(rows, words, said, strict=True)]

    def _facts(
        self, row: Mapping[str, Any], words: Sequence[Word], said: Sequence[tuple[str, float]]
    ) -> dict[str, Any]:
        tags = [tag for tag, _ in said]
        entities = []
        for kind, start, end in entities_of(tags, self._scheme):
            first, last = words[start].start, words[end - 1].end
            entities.append(
                {
                    "type": kind,
                    "text": str(row.get("text") or " ".join(w.text for w in words))[first:last],
                    "start": first,
                    "end": last,
                    "probability": round(float(np.mean([sure for _, sure in said[start:end]])), 6),
                }
            )
        return {"tokens": [word.text for word in words], "tags": tags, "entities": entities}

    def columns(self) -> tuple[str, ...]:
        """Return the header of the table for people."""
        return ("entities",) if self._scheme != "none" else ("tags",)

    def line(self, prediction: Mapping[str, Any]) -> tuple[str, ...]:
        """Return the entities, or the tags where they mark none."""
        if self._scheme == "none":
            return (" ".join(prediction["tags"]),)
        named = [f"{e['text']} ({e['type']}, {e['probability']:.0%})" for e in prediction["entities"]]
        more = f" and {len(named) - _SHOWN_ENTITIES} more" if len(named) > _SHOWN_ENTITIES else ""
        return (", ".join(named[:_SHOWN_ENTITIES]) + more or "–",)


def _words_of(row: Mapping[str, Any], number: int) -> list[Word]:
    """Return the words of a row; given ones stand in the text that blanks between them make.

    Raises:
        DataError: There is none.
    """
    tokens = row.get("tokens")
    if tokens is None:
        words = words_of_text(str(row["text"]))
    else:
        words, start = [], 0
        for token in tokens:
            words.append(Word(str(token), start, start + len(str(token))))
            start += len(str(token)) + 1
    if not words or not all(word.text.strip() for word in words):
        raise DataError(f"row {number} has no words" if not words else f"row {number} has an empty word")
    return words
