"""Sets of other domains: what is read, what is left out, and what an attribute tells apart."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from luthier.core.errors import DataError
from luthier.data.encode import ChatEncoder
from luthier.data.example import Example
from luthier.data.sample import Message, Sample
from luthier.data.template import ChatTemplate
from luthier.evaluate.examination import HeldOut, Subject
from luthier.evaluate.generalization.domains import domains_by, identities, read_domain
from luthier.evaluate.statistics import Resampling
from luthier.objectives.language_modeling import LanguageModeling
from luthier.recipe.evaluate_sections.generalization import NamedSet
from tests.models.tiny_chat import TEMPLATE, make_chat_llama, make_chat_tokenizer


def sample(number: int, question: str, answer: str, **attributes: str) -> Sample:
    turns = (Message("user", question), Message("assistant", answer))
    return Sample("rows.json", number, messages=turns, attributes=attributes)


@pytest.fixture(scope="module")
def subject() -> Subject:
    tokenizer = make_chat_tokenizer()
    template = ChatTemplate(tokenizer, None if tokenizer.chat_template else TEMPLATE)
    encoder = ChatEncoder(template, loss_on="assistant", max_length=128, too_long="truncate")

    def rows(samples: list[Sample]) -> HeldOut:
        examples: list[Example] = []
        for each in samples:
            encoded = encoder(each)
            assert isinstance(encoded, list)
            examples += encoded
        return HeldOut(examples, samples)

    trained = [sample(n, f"What is the red fox {n}?", f"It is red {n}.", topic="red") for n in range(8)]
    held_out = [
        *(sample(100 + n, f"Is the fox red {n}?", "It is red.", topic="red") for n in range(5)),
        *(sample(200 + n, f"Is the dog blue {n}?", "It is blue.", topic="blue") for n in range(4)),
        sample(300, "Is it?", "It is."),
    ]
    return Subject(
        load=lambda: make_chat_llama(initializer_range=0.05).eval(),
        load_base=lambda: make_chat_llama(initializer_range=0.05).eval(),
        objective=LanguageModeling(encoder, packing=True, pad_token_id=tokenizer.pad_token_id),
        tokenizer=tokenizer,
        template=template,
        held_out=rows(held_out),
        trained=rows(trained),
        history=[],
        dtype=torch.float32,
        how=Resampling(100, 0.95, 0),
    )


def written(folder: Path, rows: list[Any]) -> NamedSet:
    (folder / "set.json").write_text(json.dumps(rows), encoding="utf-8")
    return NamedSet(name="news", path="set.json")


def test_rows_that_were_trained_are_left_out_and_counted(subject: Subject, tmp_path: Path) -> None:
    assert subject.trained is not None
    section = written(
        tmp_path,
        [
            {"instruction": "What is the red fox 3?", "output": "It is red 3."},
            {"instruction": "What is the cat?", "output": "It is a cat."},
            {"instruction": "What is the cow?", "output": ""},
        ],
    )
    known = identities(subject.trained.rows)
    domain = read_domain(section, tmp_path, subject, known, 10)
    assert [each.row for each in domain.held_out.samples] == [2]
    assert domain.num_trained == 1 and len(domain.left_out) == 1
    assert len(read_domain(section, tmp_path, subject, set(), 10).held_out.samples) == 2


def test_no_more_rows_than_asked_for(subject: Subject, tmp_path: Path) -> None:
    section = written(tmp_path, [{"instruction": f"What is {n}?", "output": f"{n}."} for n in range(30)])
    domain = read_domain(section, tmp_path, subject, set(), 7)
    assert len(domain.held_out.samples) == len(domain.held_out.rows) == 7


def test_a_set_without_a_usable_row_is_refused_with_the_reason(subject: Subject, tmp_path: Path) -> None:
    assert subject.trained is not None
    section = written(tmp_path, [{"instruction": "What is the red fox 3?", "output": "It is red 3."}])
    with pytest.raises(DataError, match="1 row of it were trained|1 row of it was trained"):
        read_domain(section, tmp_path, subject, identities(subject.trained.rows), 7)


def test_a_value_that_no_training_row_has_is_another_domain(subject: Subject) -> None:
    inside, domains = domains_by("topic", subject)
    assert [each.name for each in domains] == ["blue"]
    assert [each.row for each in domains[0].held_out.samples] == [200, 201, 202, 203]
    # A row without the attribute is of no other domain.
    assert [each.row for each in inside.samples] == [100, 101, 102, 103, 104, 300]
    assert len(inside.rows) == 6 and len(domains[0].held_out.rows) == 4


def test_without_another_domain_the_cure_says_how_to_hold_one_out(subject: Subject) -> None:
    with pytest.raises(DataError, match="out_of_domain"):
        domains_by("colour", subject)
    with pytest.raises(DataError, match="not known"):
        domains_by("topic", replace(subject, trained=None))
