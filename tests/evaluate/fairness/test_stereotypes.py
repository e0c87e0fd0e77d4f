"""CrowS-Pairs, BBQ and templates: formats read strictly, scores by their definitions, likelihoods right."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch

from luthier.core.errors import DataError
from luthier.evaluate.examination import Examined, Finding, Subject
from luthier.evaluate.fairness.check import FairnessExamination
from luthier.evaluate.fairness.likelihood import continuation_likelihoods
from luthier.evaluate.fairness.stereotype_files import evenly, read_bbq, read_crows_pairs
from luthier.evaluate.fairness.stereotypes import bbq_bias
from luthier.methods.build import build_method
from luthier.models.log_likelihood import log_likelihoods
from luthier.recipe.evaluate_sections.fairness import FairnessSection
from luthier.recipe.method_sections import PrefixMethod, PromptMethod
from tests.evaluate.fairness.subjects import classifier_subject
from tests.models.tiny_chat import make_chat_llama, make_chat_tokenizer

CROWS = """,sent_more,sent_less,stereo_antistereo,bias_type
0,the red fox is bad,the blue fox is bad,stereo,colour
1,"the cow, the red one",the cow is it,antistereo,animal
"""


def bbq_line(**changes: Any) -> dict[str, Any]:
    line = {
        "example_id": 0, "question_index": "1", "question_polarity": "neg", "context_condition": "ambig",
        "category": "Age", "context": "the fox and the cow", "question": "what is the red?", "ans0": "the fox",
        "ans1": "the cow", "ans2": "it", "label": 2,
        "answer_info": {"ans0": ["fox", "old"], "ans1": ["cow", "nonOld"], "ans2": ["it", "unknown"]},
        "additional_metadata": {"stereotyped_groups": ["old"]},
    }  # fmt: skip
    return {**line, **changes}


def write_bbq(path: Path, *lines: dict[str, Any]) -> Path:
    path.write_text("".join(json.dumps(line) + "\n" for line in lines), encoding="utf-8")
    return path


def subject_of(folder: Path, **changes: Any) -> Subject:
    model = make_chat_llama(initializer_range=0.5).eval()
    base = make_chat_llama(initializer_range=0.1).eval()
    objective: Any = SimpleNamespace(evaluator=None, head=None)
    own: dict[str, Any] = {
        "objective": objective, "load": lambda: model, "load_base": lambda: base, "tokenizer": make_chat_tokenizer(),
        "recipe_folder": folder, **changes,
    }  # fmt: skip
    return replace(classifier_subject([0], [0], [{}]), **own)


def examine(subject: Subject, **keys: Any) -> Examined:
    section = FairnessSection.model_validate(keys)
    found = FairnessExamination(section).examine(subject)
    assert {figure.name for figure in found.figures} <= set(section.figure_names)
    return found


def test_likelihoods_equal_those_of_the_prompt_room() -> None:
    model, tokenizer = make_chat_llama(initializer_range=0.5).eval(), make_chat_tokenizer()
    texts = [("what is the", " red fox?"), ("It is", " the cow."), ("what is the", " dog")]
    sums, counts = continuation_likelihoods(model, tokenizer, texts, dtype=torch.float32)
    start = tokenizer.bos_token_id if tokenizer.bos_token_id is not None else tokenizer.eos_token_id
    for (prefix, ending), value, count in zip(texts, sums, counts, strict=True):
        before = [start, *tokenizer(prefix, add_special_tokens=False)["input_ids"]]
        whole = [start, *tokenizer(prefix + ending, add_special_tokens=False)["input_ids"]]
        assert whole[: len(before)] == before
        (expected,) = log_likelihoods(model, before, [whole[len(before) :]])
        assert value == pytest.approx(expected.log_likelihood, abs=1e-4)
        assert count == expected.num_tokens
    whole_text, number = continuation_likelihoods(model, tokenizer, [("", "the fox")], dtype=torch.float32)
    assert number[0] == len(tokenizer("the fox", add_special_tokens=False)["input_ids"])
    assert whole_text[0] < 0


@pytest.mark.parametrize("kind", ["prompt", "prefix"])
def test_likelihoods_of_models_with_virtual_tokens(kind: str) -> None:
    """Virtual tokens stand before each text, whatever stands beside it in a batch."""
    section: Any = (
        PromptMethod(name="prompt", num_virtual_tokens=3)
        if kind == "prompt"
        else PrefixMethod(name="prefix", num_virtual_tokens=3)
    )
    model = build_method(section).apply(make_chat_llama(initializer_range=0.5)).eval()
    tokenizer = make_chat_tokenizer()
    texts = [("what is the", " red fox?"), ("what is the", " dog"), ("", "It is the cow.")]
    together, _ = continuation_likelihoods(model, tokenizer, texts, dtype=torch.float32)
    for number, text in enumerate(texts):
        alone, _ = continuation_likelihoods(model, tokenizer, [text], dtype=torch.float32)
        assert together[number] == pytest.approx(alone[0], abs=1e-4)
        start = tokenizer.bos_token_id if tokenizer.bos_token_id is not None else tokenizer.eos_token_id
        before = [start, *tokenizer(text[0], add_special_tokens=False)["input_ids"]]
        whole = torch.tensor([[start, *tokenizer("".join(text), add_special_tokens=False)["input_ids"]]])
        with torch.no_grad():
            logits = model(input_ids=whole, attention_mask=torch.ones_like(whole)).logits
        steps = logits[0, len(before) - 1 : -1].log_softmax(dim=-1)
        expected = steps.gather(1, whole[0, len(before) :, None]).sum().item()
        assert alone[0] == pytest.approx(expected, abs=1e-4)


def test_crows_pairs(tmp_path: Path) -> None:
    (tmp_path / "crows.csv").write_text(CROWS, encoding="utf-8")
    found = examine(subject_of(tmp_path), crows_pairs="crows.csv")
    (score,) = found.figures
    assert score.value is not None and score.base is not None and score.num_rows == 2
    assert [line[0] for line in found.tables[0].rows] == ["animal", "colour"]
    subject = subject_of(tmp_path)
    sums, _ = continuation_likelihoods(
        subject.load(), subject.tokenizer, [("", "the red fox is bad"), ("", "the blue fox is bad")],
        dtype=torch.float32,
    )  # fmt: skip
    assert found.details["crows_pairs"]["prefers_stereotype"][0] == (sums[0] > sums[1])


def test_crows_pairs_faults(tmp_path: Path) -> None:
    path = tmp_path / "crows.csv"
    path.write_text("sent_more,bias_type\nx,y\n", encoding="utf-8")
    with pytest.raises(DataError, match=r"(?s)row 1.*has no text in field 'sent_less'.*sent_more"):
        read_crows_pairs(path)
    path.write_text("sent_more,sent_less,bias_type\n", encoding="utf-8")
    with pytest.raises(DataError, match="no row"):
        read_crows_pairs(path)


def test_lines_that_nobody_can_judge_are_told_with_a_cure_where_there_is_one(tmp_path: Path) -> None:
    both_old = {"ans0": ["a", "old"], "ans1": ["b", "old"], "ans2": ["c", "unknown"]}
    write_bbq(tmp_path / "Age.jsonl", bbq_line(), bbq_line(answer_info=both_old, example_id=5))

    def told() -> Finding:
        found = examine(subject_of(tmp_path), bbq=["Age.jsonl"])
        (finding,) = [each for each in found.findings if "1 line" in each.text]
        return finding

    assert told().is_bad and "additional_metadata.csv" in told().cure
    (tmp_path / "additional_metadata.csv").write_text(
        "category,question_index,example_id,target_loc\nAge,1,0,0\n", encoding="utf-8"
    )
    assert not told().is_bad and not told().cure


def test_bbq_roles(tmp_path: Path) -> None:
    """The stereotyped group answers a negative question; the other one answers a question that is not."""
    both_old = {"ans0": ["a", "old"], "ans1": ["b", "old"], "ans2": ["c", "unknown"]}
    lines = [bbq_line(), bbq_line(question_polarity="nonneg", example_id=1), bbq_line(answer_info=both_old)]
    path = write_bbq(tmp_path / "Age.jsonl", *lines)
    items, num_unclear = read_bbq(path)
    assert [(item.unknown, item.biased) for item in items] == [(2, 0), (2, 1)]
    assert num_unclear == 1
    # BBQ's own table of targets decides where it is there.
    (tmp_path / "additional_metadata.csv").write_text(
        "category,question_index,example_id,target_loc\nAge,1,0,1\n", encoding="utf-8"
    )
    items, num_unclear = read_bbq(path)
    assert [item.biased for item in items] == [1, 1, 1] and num_unclear == 0


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"label": 3}, "row 1.*label is 3"),
        ({"ans1": None}, "has no text in field 'ans1'"),
        ({"context_condition": "x"}, "context_condition is 'x', ambig or disambig"),
        ({"answer_info": []}, "has no answer_info"),
    ],
)
def test_bbq_faults(tmp_path: Path, changes: dict[str, Any], message: str) -> None:
    with pytest.raises(DataError, match=f"(?s){message}"):
        read_bbq(write_bbq(tmp_path / "a.jsonl", bbq_line(**changes)))


def test_bbq_scores(tmp_path: Path) -> None:
    lines = [
        bbq_line(context_condition=kind, example_id=n) for n, kind in enumerate(["ambig", "disambig"] * 4)
    ]
    write_bbq(tmp_path / "a.jsonl", *lines)
    found = examine(subject_of(tmp_path), bbq=["a.jsonl"])
    assert [figure.name for figure in found.figures] == [
        "fairness.bbq.accuracy", "fairness.bbq.bias_ambiguous", "fairness.bbq.bias_disambiguated",
    ]  # fmt: skip
    # All items are alike, so that one answer is chosen everywhere.
    assert found.figures[0].value.value in (0.0, 1.0)  # type: ignore[union-attr]
    assert found.tables[0].rows[0][:2] == ["Age", 8]


def test_bbq_bias_by_its_definition() -> None:
    known = bbq_bias(30, 40, None, 0.95)
    assert known is not None and known.value == pytest.approx(2 * 30 / 40 - 1)
    scaled = bbq_bias(30, 40, 0.6, 0.95)
    assert scaled is not None and scaled.value == pytest.approx(0.4 * 0.5)
    assert scaled.low < scaled.value < scaled.high
    assert bbq_bias(0, 0, 1.0, 0.95) is None


def test_templates_of_a_model_that_treats_both_alike_and_one_that_does_not(tmp_path: Path) -> None:
    found = examine(subject_of(tmp_path), templates=["gender_en", "gender_zh"])
    english, chinese = found.figures
    assert english.value is not None and english.base is not None
    assert english.value.value > english.base.value > 0
    assert english.improvement is not None and english.improvement.high < 0
    assert chinese.num_rows == 20 and found.findings[0].is_bad
    flat = make_chat_llama(initializer_range=0.5).eval()
    torch.nn.init.zeros_(flat.lm_head.weight)
    same = examine(subject_of(tmp_path, load=lambda: flat), templates=["gender_en"])
    assert same.figures[0].value.value == pytest.approx(0.0, abs=1e-6)  # type: ignore[union-attr]


def test_a_classifier_has_no_sentences_to_compare(tmp_path: Path) -> None:
    subject = replace(classifier_subject([0], [0], [{}]), recipe_folder=tmp_path)
    with pytest.raises(DataError, match="(?s)fairness.templates.*is for language models"):
        examine(subject, templates=["gender_en"])


def test_items_are_drawn_evenly() -> None:
    assert evenly(list(range(100)), 5) == [0, 24, 49, 74, 99]
    assert evenly([1, 2], None) == evenly([1, 2], 9) == [1, 2]
    assert np.array(evenly(list(range(10)), 3)).tolist() == [0, 4, 9]
