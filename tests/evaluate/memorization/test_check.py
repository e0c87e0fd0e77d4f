"""A model that knows its rows by heart is told from one that does not, and what cannot be examined is named."""

from __future__ import annotations

import random
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from pydantic import ValidationError

from luthier.core.errors import DataError
from luthier.evaluate.examination import Examined, Figure
from luthier.evaluate.loss import RowLosses
from luthier.evaluate.memorization import check
from luthier.evaluate.memorization.check import Memorization
from luthier.evaluate.memorization.extraction import continuations, passage_of, similarity, verbatim
from luthier.evaluate.memorization.token_scores import token_scores
from luthier.recipe.evaluate_sections.memorization import MemorizationSection
from tests.evaluate.memorization.subjects import chat_subject, question, text_subject

WORDS = tuple(
    "river stone cloud paper green seven quick lamp north bread glass wheel song field night door".split()  # noqa: SIM905
)


def sentences(count: int, seed: int) -> list[str]:
    draws = random.Random(seed)
    return [" ".join(draws.choices(WORDS, k=8)) for _ in range(count)]


def section(**keys: Any) -> MemorizationSection:
    return MemorizationSection(
        **{"num_rows": 24, "prefix_tokens": [0, 4], "continuation_tokens": 8, "fpr": 0.1, **keys}
    )


def figures(examined: Examined) -> dict[str, Figure]:
    return {figure.name.partition(".")[2]: figure for figure in examined.figures}


def rows(seed: int, first: int, count: int = 12) -> list[Any]:
    return [question(first + n, text) for n, text in enumerate(sentences(count, seed))]


@pytest.fixture(scope="module")
def memorising() -> Any:
    return chat_subject(rows(1, 100), rows(2, 200), steps=150)


def test_rows_known_by_heart_come_out_and_the_figures_say_so(memorising: Any) -> None:
    found = Memorization(section()).examine(memorising)
    own = figures(found)
    assert own["extracted_share"].value.value > 0.8 and own["extracted_share"].base.value == 0.0
    assert own["excess_share"].value.low > 0.4
    assert own["near_share"].value.value >= 0.8
    assert own["membership_auc"].value.low > 0.9
    assert own["membership_auc"].base.value < own["membership_auc"].value.low
    assert own["tpr_at_fpr"].value.value > 0.9
    assert found.findings[0].is_bad and "word for word" in found.findings[0].text
    assert "num_train_epochs" in found.findings[0].cure
    extracted = next(table for table in found.tables if table.title == "Extracted rows")
    assert len(extracted.rows) >= 10 and all(row[2] == 1 for row in extracted.rows)


def test_a_model_that_saw_rows_only_once_passes() -> None:
    found = Memorization(section()).examine(chat_subject(rows(1, 100), rows(2, 200), steps=1))
    own = figures(found)
    assert own["extracted_share"].value.value == 0.0
    assert own["extracted_share"].value.high == pytest.approx(0.2425, abs=1e-3)  # Wilson of 0 in 12
    assert own["membership_auc"].value.low < 0.6
    assert not any("word for word" in finding.text for finding in found.findings)


def test_wording_in_common_is_no_memory() -> None:
    same = "the same eight words stand in each answer that is given"
    subject = chat_subject(
        [question(n, same) for n in range(100, 108)], [question(n, same) for n in range(200, 208)], steps=80
    )
    found = Memorization(section()).examine(subject)
    own = figures(found)
    assert own["extracted_share"].value.value == 1.0
    assert own["excess_share"].value.value == 0.0 and own["excess_share"].value.low < 0
    assert "wording in common" in found.findings[-1].text or any(
        "wording in common" in finding.text for finding in found.findings
    )
    copies = next(table for table in found.tables if table.title == "Extracted rows").rows
    assert all(row[2] == 8 for row in copies)


def test_one_pass_tells_what_greedy_decoding_writes(memorising: Any) -> None:
    subject = chat_subject(rows(1, 100), rows(2, 200), steps=60)
    model, both = subject.load(), [*subject.trained.rows, *subject.held_out.rows]
    scores = token_scores(model, subject.objective, both, dtype=subject.dtype)
    passages = [passage_of(number, row) for number, row in enumerate(both)]
    told = 0
    for prefix in (0, 2, 6):
        hits = verbatim(passages, scores, prefix, 6)
        written = continuations(model, both, passages, prefix, 6, stop_token_ids=(), pad_token_id=0)
        for passage, hit, tokens in zip(passages, hits, written, strict=True):
            first = passage.start + prefix
            trained = both[passage.row].input_ids[first : first + 6].tolist()
            assert bool(hit) == (tokens == trained)
            told += hit
    assert 0 < told < 3 * len(both)


def test_losses_of_tokens_are_those_of_the_objective(memorising: Any) -> None:
    rows_, model = memorising.trained.rows, memorising.load()
    scores = token_scores(model, memorising.objective, rows_, dtype=memorising.dtype)
    total = memorising.objective.loss(model, memorising.objective.collate(rows_)).total.detach()
    assert sum(-each.log_probabilities_T.sum() for each in scores) == pytest.approx(float(total), rel=1e-5)


def test_raw_text_is_extracted_from_its_beginning() -> None:
    subject = text_subject(sentences(10, 1), sentences(10, 2), steps=120)
    found = figures(Memorization(section(prefix_tokens=[0, 5])).examine(subject))
    assert found["extracted_share"].value.value > 0.5 and found["extracted_share"].base is None
    assert found["excess_share"].value.low > 0.1


def test_a_canary_that_was_trained_is_exposed_and_another_is_not() -> None:
    canary = {"prompt": "What is the code?", "format": "The code is {secret}."}
    row = question(1, "The code is 48151623.")
    row = type(row)("rows", 1, (type(row.messages[0])("user", canary["prompt"]), row.messages[1]))
    subject = chat_subject([row, *rows(1, 100)], rows(2, 200), steps=120)
    asked = section(
        canaries=[{**canary, "secret": "48151623"}, {**canary, "secret": "90210777"}], num_alternatives=200
    )
    found = Memorization(asked).examine(subject)
    own = figures(found)["exposure"]
    assert own.value.value == pytest.approx(7.64, abs=0.01)  # log2(200): likelier than all of them
    assert own.base.value < 7
    table = next(table for table in found.tables if table.title == "Canaries").rows
    assert [line[1] for line in table] == [1, 0]
    texts = [finding.text for finding in found.findings]
    assert "A canary's secret is exposed" in texts and any("no training row" in text for text in texts)


def test_rows_that_are_too_short_leave_the_share_undefined(memorising: Any) -> None:
    found = Memorization(section(continuation_tokens=500)).examine(memorising)
    own = figures(found)["extracted_share"]
    assert own.value is None and "504 tokens" in own.why_undefined
    assert any(finding.is_bad and "lower continuation_tokens" in finding.cure for finding in found.findings)
    assert figures(found)["membership_auc"].value is not None


def test_too_few_rows_for_a_low_rate_leave_it_undefined(memorising: Any) -> None:
    own = figures(Memorization(section(fpr=0.01)).examine(memorising))["tpr_at_fpr"]
    assert own.value is None and "100 could" in own.why_undefined


def test_without_training_rows_only_canaries_can_be_examined() -> None:
    subject = chat_subject(rows(1, 100), rows(2, 200), steps=1, knows_rows=False, knows_base=False)
    with pytest.raises(DataError, match="rows that this model was trained on are unknown") as caught:
        Memorization(section()).examine(subject)
    assert "canaries" in str(caught.value.cure)
    canary = {"prompt": "What?", "format": "It is {secret}.", "secret": "775533"}
    found = Memorization(section(canaries=[canary], num_alternatives=20)).examine(subject)
    own = figures(found)
    assert own["exposure"].value is not None
    assert own["extracted_share"].value is None and own["membership_auc"].value is None
    assert "unknown" in own["membership_auc"].why_undefined


def test_a_canary_without_the_turn_before_it_is_refused(memorising: Any) -> None:
    asked = section(canaries=[{"format": "It is {secret}.", "secret": "775533"}], num_alternatives=20)
    with pytest.raises(DataError, match=r"canaries\[0\]: has no prompt"):
        Memorization(asked).examine(memorising)


@pytest.mark.parametrize(
    ("keys", "told"),
    [
        ({"canaries": [{"format": "no place", "secret": "775533"}]}, "0 times"),
        ({"canaries": [{"format": "{secret}", "secret": "12"}]}, "too few for 500"),
        ({"num_alternatives": 20}, "no effect without canaries"),
    ],
)
def test_sections_that_cannot_take_effect_are_refused(keys: dict[str, Any], told: str) -> None:
    with pytest.raises(ValidationError, match=told):
        MemorizationSection(**keys)


def test_all_figures_are_promised(memorising: Any) -> None:
    asked = section()
    found = Memorization(asked).examine(memorising)
    assert {figure.name for figure in found.figures} == set(asked.figure_names)


def test_similarity_counts_edits() -> None:
    assert similarity([1, 2, 3, 4], [1, 2, 3, 4]) == 1.0
    assert similarity([1, 9, 3, 4], [1, 2, 3, 4]) == 0.75
    assert similarity([], [1, 2]) == 0.0


def test_of_a_classifier_membership_alone_is_told(memorising: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    def losses(model: Any, objective: Any, drawn: Any, **keys: Any) -> RowLosses:
        # Trained rows begin with questions from 100 on, held-out ones from 200 on.
        is_trained = drawn[0].row < 200
        return RowLosses(
            np.linspace(0.0, 1.0, len(drawn)) + (0.0 if is_trained else 2.0), np.ones(len(drawn), int)
        )

    monkeypatch.setattr(check, "row_losses", losses)
    subject = replace(memorising, objective=SimpleNamespace(head=object()), template=None)
    found = Memorization(section()).examine(subject)
    own = figures(found)
    assert own["membership_auc"].value.value == 1.0 and own["membership_auc"].base is None
    assert own["tpr_at_fpr"].value.value == 1.0
    assert own["extracted_share"].value is None and "writes no text" in own["extracted_share"].why_undefined
    assert found.findings[0].is_bad and "can tell" in found.findings[0].text
    canary = {"format": "It is {secret}.", "secret": "775533"}
    with pytest.raises(DataError, match="a canary cannot be ranked"):
        Memorization(section(canaries=[canary], num_alternatives=20)).examine(subject)
