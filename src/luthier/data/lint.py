"""Find faults of a chat template and tokenizer that would ruin a model silently, before any step."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from luthier.core.errors import TemplateError
from luthier.data.example import IGNORED
from luthier.data.sample import Message
from luthier.data.template import ChatTemplate

_MARKS = {"system": "alpha", "user": "bravo", "assistant": "charlie"}


@dataclass(frozen=True)
class Finding:
    """One fault: an error stops the run, a warning is shown."""

    level: Literal["error", "warning"]
    code: str
    problem: str
    cure: str


def lint(template: ChatTemplate) -> list[Finding]:
    """Return all faults, errors first."""
    findings = [*_check_bos(template), *_check_end(template), *_check_mask(template)]
    return sorted(findings, key=lambda finding: finding.level)


def _conversation(*, system: bool) -> list[Message]:
    turns = [Message("system", f"{_MARKS['system']} instructions")] if system else []
    for number in ("one", "two"):
        turns.append(Message("user", f"{_MARKS['user']} question {number}"))
        turns.append(Message("assistant", f"{_MARKS['assistant']} answer {number}"))
    return turns


def _check_bos(template: ChatTemplate) -> Iterator[Finding]:
    tokenizer = template.tokenizer
    bos = tokenizer.bos_token_id
    try:
        ids = template.prompt_ids([Message("user", "question")])
    except TemplateError as error:
        yield Finding("error", "unrenderable", error.problem, "set data.chat_template: chatml")
        return
    if bos is None:
        return
    if len(ids) > 1 and ids[0] == bos == ids[1]:
        problem = "the template writes the begin token twice"
        yield Finding("error", "doubled_bos", problem, "remove one {{ bos_token }} from the template")
    adds_itself = tokenizer("question")["input_ids"][:1] == [bos]
    if adds_itself and ids[0] != bos:
        problem = f"the tokenizer begins every text with {tokenizer.bos_token}, the template does not"
        yield Finding("warning", "missing_bos", problem, "begin the template with {{ bos_token }}")


def _check_end(template: ChatTemplate) -> Iterator[Finding]:
    tokenizer = template.tokenizer
    if template.end_token_id is None:
        problem = "the template ends an answer with no special token, so the model would never learn to stop"
        yield Finding(
            "error", "end_never_trained", problem, "set data.chat_template: chatml, or add {{ eos_token }}"
        )
        return
    end = tokenizer.convert_ids_to_tokens(template.end_token_id)
    if tokenizer.eos_token_id is None:
        problem = f"the tokenizer names no end token; Luthier's server stops at {end}, others may not"
        yield Finding("warning", "no_eos", problem, f"set eos_token to {end} in tokenizer_config.json")
    elif tokenizer.eos_token_id != template.end_token_id:
        problem = (
            f"answers end with {end}, the tokenizer's end token is {tokenizer.eos_token}: "
            "a server that stops only at the latter runs on"
        )
        cure = "Luthier writes both into generation_config.json of the result"
        yield Finding("warning", "stop_token_differs", problem, cure)


def _check_mask(template: ChatTemplate) -> Iterator[Finding]:
    """Prove on a marked conversation that exactly the assistant's words are supervised."""
    turns = _conversation(system=True)
    try:
        chat = template.encode(turns)
    except TemplateError:
        turns = _conversation(system=False)  # some families have no system role
        try:
            chat = template.encode(turns)
        except TemplateError as error:
            yield Finding(
                "error", "unmaskable", error.problem, error.cure or "set data.chat_template: chatml"
            )
            return
    trained = template.tokenizer.decode([t for t in chat.labels if t != IGNORED])
    whole = template.tokenizer.decode(chat.input_ids)
    for turn in turns:
        if turn.content not in whole:
            problem = f"the template leaves out what the {turn.role} says"
            yield Finding("error", "drops_content", problem, "set data.chat_template: chatml")
        elif (turn.content in trained) != (turn.role == "assistant"):
            what = (
                "leaves an answer without loss"
                if turn.role == "assistant"
                else f"trains what the {turn.role} says"
            )
            yield Finding("error", "wrong_mask", f"the mask {what}", "set data.chat_template: chatml")
