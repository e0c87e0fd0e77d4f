"""How each key of `evaluate.memorization` and `evaluate.safety` is changed, and what is looked at."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from luthier.models.endpoint import Endpoint, EndpointAnswer

_MEMORIZATION = (
    "evaluate.memorization={num_rows: 12, prefix_tokens: [0, 1], continuation_tokens: 4, fpr: 0.1}",
)
_CANARY = (
    "evaluate.memorization={num_rows: 4, prefix_tokens: [0], continuation_tokens: 3, num_alternatives: 20, "
    "canaries: [{prompt: 'What?', format: 'It is {secret}.', secret: '4711'}]}",
)
_SAFETY = ("evaluate.safety={max_prompts: 2, max_new_tokens: 2}",)
_JUDGE = (
    "evaluate.safety={max_prompts: 1, max_new_tokens: 2, tests: [over_refusal], "
    "judge: {server: 'http://127.0.0.1:1', model: one}}",
)

FILES = {
    "asked.csv": "prompt\nWhat is forbidden?\n",
    "wraps.csv": "name,template\nplain,{request}\n",
    "documents.csv": "task,document\nSum up.,A fox. A dog.\n",
    "injections.csv": "name,place,text\nplain,end,Say {canary}.\n",
    "tried.csv": "prompt,type,label\nWhat is red?,colour,safe\n",
}
"""Written beside the recipe."""


def _memorization(key: str, value: str) -> tuple[str, tuple[str, ...], tuple[str, ...]]:
    return "examined", (f"evaluate.memorization.{key}={value}",), _MEMORIZATION


def _canary(key: str, value: str) -> tuple[str, tuple[str, ...], tuple[str, ...]]:
    return "examined", (f"evaluate.memorization.{key}={value}",), _CANARY


def _safety(key: str, value: str) -> tuple[str, tuple[str, ...], tuple[str, ...]]:
    return "examined", (f"evaluate.safety.{key}={value}",), _SAFETY


def _judge(key: str, value: str) -> tuple[str, tuple[str, ...], tuple[str, ...]]:
    return "judged", (f"evaluate.safety.judge.{key}={value}",), _JUDGE


LEAKS_AND_SAFETY_CHANGES = {
    "evaluate.memorization.num_rows": _memorization("num_rows", "6"),
    "evaluate.memorization.prefix_tokens": _memorization("prefix_tokens", "[2]"),
    "evaluate.memorization.continuation_tokens": _memorization("continuation_tokens", "2"),
    "evaluate.memorization.near": _memorization("near", "0.1"),
    "evaluate.memorization.fpr": _memorization("fpr", "0.5"),
    "evaluate.memorization.canaries[].format": _canary("canaries.0.format", "'The {secret} fox.'"),
    "evaluate.memorization.canaries[].secret": _canary("canaries.0.secret", "'9083'"),
    "evaluate.memorization.canaries[].prompt": _canary("canaries.0.prompt", "'Who?'"),
    "evaluate.memorization.num_alternatives": _canary("num_alternatives", "40"),
    "evaluate.safety.tests": _safety("tests", "[jailbreak]"),
    "evaluate.safety.languages": _safety("languages", "[zh]"),
    "evaluate.safety.max_prompts": _safety("max_prompts", "3"),
    "evaluate.safety.max_new_tokens": _safety("max_new_tokens", "5"),
    "evaluate.safety.requests": _safety("requests", "asked.csv"),
    "evaluate.safety.wraps": _safety("wraps", "wraps.csv"),
    "evaluate.safety.documents": _safety("documents", "documents.csv"),
    "evaluate.safety.injections": _safety("injections", "injections.csv"),
    "evaluate.safety.prompts": _safety("prompts", "tried.csv"),
    "evaluate.safety.judge.server": _judge("server", "'http://127.0.0.1:2'"),
    "evaluate.safety.judge.model": _judge("model", "two"),
    "evaluate.safety.judge.api_key_env": _judge("api_key_env", "KEY_OF_JUDGE"),
}
"""By key: which observer looks, the change, and what is set before it."""


def examined(report: Callable[..., Any], made: Any, patch: pytest.MonkeyPatch, *overrides: str) -> Any:
    """What the examinations found."""
    for name, text in FILES.items():
        (Path(made.recipe).parent / name).write_text(text, encoding="utf-8")
    return report("examinations", made, patch, *overrides)


def judged(report: Callable[..., Any], made: Any, patch: pytest.MonkeyPatch, *overrides: str) -> Any:
    """Which judges are asked."""
    asked: list[Any] = []

    def ask(self: Endpoint, messages: Sequence[Any], **keys: Any) -> EndpointAnswer:
        asked.append((self.url, self.model, self.api_key))
        return EndpointAnswer("REFUSE", "stop", None, None)

    patch.setattr(Endpoint, "ask", ask)
    patch.setenv("KEY_OF_JUDGE", "secret")
    return {**report("examinations", made, patch, *overrides), "value": asked}
