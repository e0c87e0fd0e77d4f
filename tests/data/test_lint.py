"""Faults of a template and tokenizer are found before anything is trained, and sound ones have none."""

from __future__ import annotations

from typing import Any

import pytest

from luthier.data.lint import Finding, lint
from luthier.data.template import ChatTemplate
from tests.data.chat_templates import CHATML, FAMILIES, GEMMA, LLAMA3, Family, make_tokenizer


def _lint(family: Family, **changes: Any) -> list[Finding]:
    return lint(ChatTemplate(make_tokenizer(family, **changes)))


def _codes(findings: list[Finding]) -> list[tuple[str, str]]:
    return [(finding.level, finding.code) for finding in findings]


@pytest.mark.parametrize("name", FAMILIES)
@pytest.mark.parametrize("adds_bos", [False, True])
def test_a_sound_template_has_no_error(name: str, adds_bos: bool) -> None:
    family = FAMILIES[name]
    expected = [] if family.end == family.eos else [("warning", "stop_token_differs")]
    assert _codes(_lint(family, adds_bos=adds_bos)) == expected


def test_doubled_begin_token() -> None:
    findings = _lint(LLAMA3, template="{{ bos_token }}" + LLAMA3.template)
    assert ("error", "doubled_bos") in _codes(findings)
    assert findings[0].level == "error"  # errors come first


def test_missing_begin_token() -> None:
    without = LLAMA3.template.replace("{{- bos_token }}", "")
    assert ("warning", "missing_bos") in _codes(_lint(LLAMA3, template=without, adds_bos=True))
    assert ("warning", "missing_bos") not in _codes(_lint(LLAMA3, template=without, adds_bos=False))


def test_end_that_is_never_trained() -> None:
    without = CHATML.template.replace("<|im_end|>", "")
    (finding,) = [f for f in _lint(CHATML, template=without) if f.code == "end_never_trained"]
    assert finding.level == "error" and "eos_token" in finding.cure


def test_stop_token_differs() -> None:
    (finding,) = _lint(GEMMA)
    assert finding.code == "stop_token_differs"
    assert "<end_of_turn>" in finding.problem and "<eos>" in finding.problem


def test_no_end_token_named() -> None:
    (finding,) = _lint(CHATML, eos_token=None)
    assert (finding.level, finding.code) == ("warning", "no_eos") and "<|im_end|>" in finding.problem


@pytest.mark.parametrize("role", ["user", "assistant"])
def test_content_left_out(role: str) -> None:
    losing = CHATML.template.replace("m.content", f"('' if m.role == '{role}' else m.content)")
    findings = _lint(CHATML, template=losing)
    assert ("error", "unmaskable") in _codes(findings)
    assert any(role in f.problem or "answer" in f.problem for f in findings)


def test_tokenizer_that_cannot_write_the_text() -> None:
    """Words become unknown tokens: the template is sound, and still nothing of the content is trained."""
    from tokenizers import Tokenizer, models, pre_tokenizers
    from transformers import PreTrainedTokenizerFast

    backend = Tokenizer(models.WordLevel({"<unk>": 0, "user": 1, "assistant": 2}, unk_token="<unk>"))
    backend.pre_tokenizer = pre_tokenizers.Whitespace()
    backend.add_special_tokens(["<|im_start|>", "<|im_end|>", "<pad>"])
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=backend, eos_token="<|im_end|>", pad_token="<pad>", unk_token="<unk>"
    )
    findings = lint(ChatTemplate(tokenizer, "chatml"))
    assert any(finding.level == "error" for finding in findings)


def test_generation_prompt_that_differs() -> None:
    broken = CHATML.template.replace("{{ '<|im_start|>assistant\n' }}", "{{ '<|im_start|>assistant:' }}")
    assert ("error", "unmaskable") in _codes(_lint(CHATML, template=broken))


def test_history_rewritten() -> None:
    broken = CHATML.template.replace(
        "m.content", "(m.content if loop.last or m.role != 'assistant' else m.content[:3])"
    )
    assert ("error", "unmaskable") in _codes(_lint(CHATML, template=broken))


def test_every_finding_says_what_to_do() -> None:
    faulty = "{{ bos_token }}{{ bos_token }}" + CHATML.template.replace("<|im_end|>", "")
    family = Family(faulty, CHATML.end, CHATML.eos, CHATML.specials, bos="<s>")
    findings = _lint(family)
    assert len(findings) >= 2 and all(finding.problem and finding.cure for finding in findings)
