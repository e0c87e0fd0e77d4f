"""Answers to questions: spans of their contexts, with their probabilities."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from luthier.core.errors import DataError
from luthier.core.files import read_json
from luthier.data.extractive.decode import Scores, Spans, read_spans
from luthier.data.extractive.windows import NoRoomError, PairTokenizer, Window
from luthier.kernels.accelerate import accelerate
from luthier.serve.prediction.contract import LoadedHead
from luthier.serve.prediction.window_batches import run_windows

_DEFAULTS = {"doc_stride": 128, "n_best_size": 20, "max_answer_length": 30, "version_2_with_negative": False}
_SHOWN = 3


class SpanPredictor:
    """Answers questions about contexts of any length.

    Args:
        loaded: The model.
        null_score_diff_threshold: How far no answer must score above the best span to be said. None takes the
            recipe's, else the one that the run's report chose on its held-out rows, else 0.
    """

    fields: tuple[str, ...] = ("question", "context")
    takes_tokens = False

    def __init__(self, loaded: LoadedHead, *, null_score_diff_threshold: float | None = None) -> None:
        self._loaded = loaded
        self._settings = {name: loaded.settings.get(name, default) for name, default in _DEFAULTS.items()}
        self.threshold = null_score_diff_threshold
        if self.threshold is None and self._settings["version_2_with_negative"]:
            self.threshold = _recorded_threshold(loaded)
        stride = min(int(self._settings["doc_stride"]), loaded.window_length // 2)
        self._pairs = PairTokenizer(loaded.tokenizer, max_length=loaded.window_length, doc_stride=stride)
        accelerate(loaded.model, compute_dtype=loaded.dtype, fused_loss=False)

    def __call__(
        self, rows: Sequence[Mapping[str, str]], on_progress: Callable[[int], None] = lambda done: None
    ) -> list[dict[str, Any]]:
        """Return the answer of each row, in their order; an empty one says that the context holds none."""
        of_row = [self._windows(row, number) for number, row in enumerate(rows, 1)]
        numbers = [number for number, own in enumerate(of_row) for _ in own]
        inputs = [(window.input_ids, window.type_ids) for own in of_row for window in own]
        starts: dict[int, Scores] = {}
        ends: dict[int, Scores] = {}
        for place, length, outputs, at in run_windows(
            self._loaded, inputs, lambda done: on_progress(numbers[done - 1])
        ):
            starts[place] = outputs.start_logits[at, :length].float().cpu().numpy()
            ends[place] = outputs.end_logits[at, :length].float().cpu().numpy()
        answers, first = [], 0
        for row, windows in zip(rows, of_row, strict=True):
            own = range(first, first + len(windows))
            first = own.stop
            spans = read_spans(
                row["context"],
                windows,
                [starts[n] for n in own],
                [ends[n] for n in own],
                n_best_size=int(self._settings["n_best_size"]),
                max_answer_length=int(self._settings["max_answer_length"]),
                may_be_none=self.threshold is not None,
            )
            answers.append(self._facts(spans))
        on_progress(len(rows))
        return answers

    def _windows(self, row: Mapping[str, str], number: int) -> list[Window]:
        try:
            return self._pairs(row["question"], row["context"])
        except NoRoomError as error:
            raise DataError(error.problem, where=f"row {number}") from error

    def _facts(self, spans: Spans) -> dict[str, Any]:
        answer = spans.answer(self.threshold)
        facts: dict[str, Any] = {"answer": answer, "start": spans.candidates[0].start if answer else None}
        if answer:
            facts["probability"] = round(spans.candidates[0].probability, 6)
        if self.threshold is not None:
            facts["null_margin"] = round(spans.null_margin, 6)
        facts["candidates"] = [
            {"text": c.text, "start": c.start, "probability": round(c.probability, 6)}
            for c in spans.candidates[:_SHOWN]
        ]
        return facts

    def columns(self) -> tuple[str, ...]:
        """Return the header of the table for people."""
        return ("answer", "probability")

    def line(self, prediction: Mapping[str, Any]) -> tuple[str, ...]:
        """Return the answer."""
        sure = prediction.get("probability")
        return prediction["answer"] or "(no answer)", "–" if sure is None else f"{sure:.0%}"


def _recorded_threshold(loaded: LoadedHead) -> float:
    """Return the recipe's threshold, or the one that the report beside the model chose, or 0."""
    fixed = loaded.settings.get("null_score_diff_threshold")
    report = loaded.folder.parent / "report" / "report.json"
    if fixed is None and report.is_file():
        fixed = read_json(report).get("task", {}).get("null_score_diff_threshold")
    return float(fixed or 0.0)
