"""Candidates: one alteration each, in the language of the text."""

from __future__ import annotations

from pathlib import Path
from random import Random
from typing import Any

import pytest

from luthier.data.augment.language import has_chinese
from luthier.evaluate.robustness.proposals import proposer_of
from luthier.evaluate.robustness.search import Standing
from luthier.evaluate.robustness.victim import Verdict
from luthier.recipe.evaluate_sections.robustness import TEXT_ATTACKS, RobustnessSection
from tests.evaluate.robustness.linear import make_victim, row

ENGLISH, CHINESE = "Please check the road and the weather before you leave.", "我们明天早上再去银行看看情况吧"


@pytest.fixture
def words(tmp_path: Path) -> Path:
    (tmp_path / "words.txt").write_text(
        "road street\nweather climate\n银行 钱庄\n早上 清晨\n", encoding="utf-8"
    )
    return tmp_path


def _candidates(name: str, text: str, folder: Path, label: str = "positive") -> list[str]:
    section = RobustnessSection(
        attacks=[name], **({"synonym_file": "words.txt"} if name == "synonyms" else {})
    )
    standing = Standing(row(text, label), Verdict(label, True, 0.0), Random(0), text, 0.0)
    proposer: Any = proposer_of(name, section, make_victim(), folder)
    (found,) = proposer.propose([standing], 8)
    return list(found)


@pytest.mark.parametrize("text", [ENGLISH, CHINESE])
@pytest.mark.parametrize("name", TEXT_ATTACKS)
def test_every_attack_alters_both_languages_in_one_place(name: str, text: str, words: Path) -> None:
    found = _candidates(name, text, words)
    assert 0 < len(found) <= 8
    assert len(set(found)) == len(found) and text not in found
    for other in found:
        if name in ("irrelevant", "injection"):
            added = other.replace(text, "")
            assert text in other and added.strip()
            assert has_chinese(added) == (text == CHINESE)
        elif name == "word_order":
            assert sorted(other.lower()) == sorted(text.lower())
        elif text == ENGLISH:
            before, after = text.split(), other.split()
            assert len(before) == len(after)
            assert sum(a != b for a, b in zip(before, after, strict=True)) == 1
        else:
            assert sum(a != b for a, b in zip(text, other, strict=True)) <= 2, "a word of two characters"


def test_orders_name_a_wrong_answer_only(words: Path) -> None:
    found = _candidates("injection", ENGLISH, words, label="positive")
    assert all("negative" in text and "positive" not in text for text in found)


def test_synonyms_come_from_the_recipe_s_file(words: Path) -> None:
    assert set(_candidates("synonyms", ENGLISH, words)) == {
        ENGLISH.replace("road", "street"),
        ENGLISH.replace("weather", "climate"),
    }
