"""What the evaluate stage writes is JSON that every reader takes."""

from __future__ import annotations

import json
import math

from luthier.core.files import strict_json
from luthier.data.sample import Message, Sample
from luthier.data.template import ChatTemplate
from luthier.evaluate.examination import HeldOut
from luthier.evaluate.stage import _questions
from luthier.recipe.evaluate_sections.evaluate import EvaluateSection
from tests.models.tiny_chat import make_chat_tokenizer


def test_an_end_without_limit_is_null_in_the_report() -> None:
    content = {
        "metrics": [{"improvement": {"value": 15.0, "low": 2.0, "high": math.inf}}],
        "passed": True,
        "n": 3,
    }
    text = json.dumps(strict_json(content), allow_nan=False)
    assert json.loads(text) == {
        "metrics": [{"improvement": {"value": 15.0, "low": 2.0, "high": None}}],
        "passed": True,
        "n": 3,
    }


def test_a_prompt_beyond_the_models_positions_is_not_asked() -> None:
    template = ChatTemplate(make_chat_tokenizer())
    assert template.tokenizer.model_max_length > 10**6  # the tokenizer names no limit
    samples = [
        Sample("rows", number, (Message("user", "word " * length), Message("assistant", "yes")))
        for number, length in ((1, 4), (2, 400))
    ]
    asked = _questions(HeldOut((), samples), template, EvaluateSection(max_new_tokens=8), 128)
    assert [question.place for question in asked] == ["rows, row 1"]
