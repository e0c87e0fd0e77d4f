"""The recipe's sections: what they accept, and that each key takes effect."""

import numpy as np
import pytest
from pydantic import ValidationError

from luthier.core.errors import DataError
from luthier.data.duplicates.steps import steps_of
from luthier.data.operators.batch import batches_of_rows
from luthier.recipe.data_sections.duplicates import (
    DecontaminateSection,
    DeduplicateSection,
    FoldsSection,
    OutOfDomainSection,
)

TEXT = "The quick brown fox jumps over the lazy dog and runs away into the forest."
ROWS = [TEXT, TEXT.replace("lazy", "tired"), TEXT + " Indeed, it really does.", TEXT, "else"]


def _left_out(section, **models):
    batches = batches_of_rows(enumerate(({"text": t} for t in ROWS), 1), ["text"], source="x")
    for step in steps_of(DeduplicateSection.model_validate(section), **models):
        batches = step(batches)
    return [
        row
        for b in batches
        for row, reason in zip(b["row"].to_pylist(), b["reason"].to_pylist(), strict=True)
        if reason
    ]


@pytest.mark.parametrize(
    ("section", "left_out"),
    [
        ("off", []),
        ("exact", [4]),
        ({}, [4]),
        ("near", [2, 4]),
        ({"kind": "near", "threshold": 0.7}, [2, 3, 4]),
        ({"kind": "near", "ngram": 12}, [4]),
        ({"kind": "near", "threshold": 0.7, "keep": "longest"}, [1, 2, 4]),
    ],
)
def test_every_key_takes_effect(section, left_out):
    assert _left_out(section) == left_out


def test_semantic_needs_a_model():
    def embed(texts):
        vectors = np.array([[len(t), 60.0] for t in texts], np.float32)
        return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)

    assert _left_out({"kind": "semantic", "threshold": 0.999999}, embed=embed) == [4]
    assert _left_out({"kind": "semantic", "threshold": 0.97}, embed=embed) == [2, 3, 4]
    with pytest.raises(DataError, match="need an embedding model"):
        _left_out("semantic")


def test_the_seed_reaches_the_hash_functions():
    (step,) = steps_of(DeduplicateSection.model_validate("near"), seed=7)
    assert step.make_finder()._seed == 7


@pytest.mark.parametrize(
    ("section", "problem"),
    [
        ({"threshold": 0.9}, "threshold has no effect with kind exact"),
        ({"kind": "semantic", "ngram": 3}, "ngram has no effect with kind semantic"),
        ({"kind": "near", "encoder": "x"}, "encoder has no effect with kind near"),
        ({"kind": "near", "threshold": 1.5}, "less than or equal to 1"),
        ("fuzzy", "Input should be 'exact', 'near', 'semantic' or 'off'"),
    ],
)
def test_what_has_no_effect_is_refused(section, problem):
    with pytest.raises(ValidationError, match=problem):
        DeduplicateSection.model_validate(section)


def test_other_sections():
    assert DecontaminateSection.model_validate({"enabled": True, "against": ["a.jsonl"]}).against == (
        "a.jsonl",
    )
    with pytest.raises(ValidationError, match="ngram has no effect without `enabled: true`"):
        DecontaminateSection.model_validate({"ngram": 8})
    with pytest.raises(ValidationError, match="hold_out is 6, but there are 5 folds"):
        FoldsSection.model_validate({"folds": 5, "hold_out": 6})
    with pytest.raises(ValidationError, match="at least 1"):
        OutOfDomainSection.model_validate({"field": "topic", "values": []})
