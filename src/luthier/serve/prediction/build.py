"""From a saved result to its predictor."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

from luthier.core.errors import ModelError
from luthier.data.tokenizer import load_tokenizer
from luthier.models.heads import HeadTask, saved_head
from luthier.models.load import ResultRecord, load_trained
from luthier.models.multi_head import TASKS_FOLDER, MultiHead
from luthier.plan.hardware import detect_hardware
from luthier.serve.prediction.classification import ClassificationPredictor
from luthier.serve.prediction.contract import LoadedHead, Predictor
from luthier.serve.prediction.question_answering import SpanPredictor
from luthier.serve.prediction.token_classification import TagPredictor

_PREDICTORS: dict[HeadTask, Callable[..., Predictor]] = {
    "SEQ_CLS": ClassificationPredictor,
    "TOKEN_CLS": TagPredictor,
    "QUESTION_ANS": SpanPredictor,
}


def load_predictor(folder: Path, **options: Any) -> Predictor:
    """Load a result with a task's head.

    Args:
        folder: A whole model or an adapter, Luthier's or another tool's.
        **options: Of the predictor; None leaves its default.

    Raises:
        ModelError: It has no such head, cannot be loaded, or its predictor knows no such option.
    """
    head = saved_head(folder)
    if isinstance(head, MultiHead):
        one, *_ = head.heads
        raise ModelError(
            f"has several tasks: {', '.join(head.heads)}",
            where=str(folder),
            cure=f"name the folder of one: {folder / TASKS_FOLDER / one}",
        )
    if head is None or head.task not in _PREDICTORS:
        raise ModelError(
            "has no task's head: it predicts no classes"
            if head is None
            else f"no predictor for {head.task} yet",
            where=str(folder),
            cure="`luthier chat` talks to language models",
        )
    chosen = {name: value for name, value in options.items() if value is not None}
    if "threshold" in chosen and head.problem_type != "multi_label_classification":
        raise ModelError(
            "has one label a text: the most probable one is said, whatever the threshold",
            where=str(folder),
            cure="leave --threshold out",
        )
    if "null_score_diff_threshold" in chosen and head.task != "QUESTION_ANS":
        raise ModelError(
            "answers no questions", where=str(folder), cure="leave --null-score-diff-threshold out"
        )
    record = ResultRecord.load(folder)
    native = "bfloat16" if detect_hardware().has_native_bfloat16 else "float32"
    dtype: torch.dtype = getattr(torch, record.dtype if record else native)
    model, text_folder = load_trained(folder, dtype=dtype)
    settings = record.objective if record else {}
    loaded = LoadedHead(model, load_tokenizer(text_folder), head, dtype, folder, settings)
    if loaded.model.config.get_text_config().pad_token_id is None:
        loaded.model.config.get_text_config().pad_token_id = loaded.tokenizer.pad_token_id
    return _PREDICTORS[head.task](loaded, **chosen)
