"""The section: every kind makes an operation that its options steer, and what cannot take effect is refused."""

import pickle
from random import Random
from typing import get_args

import numpy as np
import pytest
from pydantic import TypeAdapter, ValidationError

from luthier.data.augment.alter import SourceRow, alter
from luthier.data.augment.build import operation_of, steps_of
from luthier.data.operators.batch import batches_of_rows
from luthier.recipe.data_sections.augment import AugmentOperation, AugmentSection

UNION = get_args(AugmentOperation)[0]
KINDS = [get_args(section.model_fields["kind"].annotation)[0] for section in get_args(UNION)]
WITH_RATE = ["synonyms", "insertion", "deletion", "swap", "typing", "ocr", "homophones", "masking"]
TEXT = (
    "There is a modern big card. It was lost two weeks ago in the weather! Please send me one hour of help."
)


def write(prompts, seeds):
    return [f"{prompt.splitlines()[0]} {seed}" for prompt, seed in zip(prompts, seeds, strict=True)]


def altered(folder, options, seed=0):
    section = TypeAdapter(AugmentOperation).validate_python(options)
    asked = []
    operation = operation_of(section, folder=folder, load_write=lambda name: asked.append(name) or write)
    (new,) = alter([SourceRow("in.jsonl", 1, {"text": TEXT}, ("/text",))], operation, [Random(seed)])
    return operation.kind, new.row["text"] if new else None, asked


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "mine.txt").write_text("big, large\nlost, gone\ncard, ticket\nweeks, fortnights\n")
    return tmp_path


EXTRA = {
    "synonyms": {"file": "mine.txt"},
    "insertion": {"file": "mine.txt"},
    "back_translation": {"model": "m"},
    "paraphrase": {"model": "m"},
}


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_alters_a_text(folder, kind):
    made, text, asked = altered(folder, {"kind": kind, **EXTRA.get(kind, {})})
    assert made == kind
    assert text not in (None, TEXT)
    assert asked == (["m"] if kind in ("back_translation", "paraphrase") else [])


def test_there_are_thirteen_kinds():
    assert len(KINDS) == len(set(KINDS)) == 13


@pytest.mark.parametrize("kind", WITH_RATE)
def test_the_rate_takes_effect(folder, kind):
    low, high = (altered(folder, {"kind": kind, "rate": rate, **EXTRA.get(kind, {})}) for rate in (0.01, 0.9))
    assert low[1] != high[1]


@pytest.mark.parametrize(
    ("options", "part"),
    [
        ({"kind": "masking", "mask": "___"}, "___"),
        ({"kind": "prefix", "phrases": ["Ahem:"]}, "Ahem: There"),
        ({"kind": "suffix", "phrases": ["Bye."]}, "help. Bye."),
        ({"kind": "paraphrase", "model": "m", "prompt": "Anew: {text}"}, "Anew: There"),
        ({"kind": "back_translation", "model": "m", "pivot": "fra"}, "from French"),
    ],
)
def test_options_of_a_kind_take_effect(folder, options, part):
    assert part in altered(folder, options)[1]


def test_the_folder_of_wordnet_takes_effect(folder):
    with pytest.raises(Exception, match="no-such-folder: WordNet"):
        altered(folder, {"kind": "synonyms", "wordnet": "no-such-folder"})


def steps(options, folder, **more):
    section = AugmentSection.model_validate(options)
    loaded = []

    def load_embed(name):
        loaded.append(name)
        return lambda texts: np.ones((len(texts), 1), np.float32)

    return steps_of(
        section, seed=7, folder=folder, load_embed=load_embed, load_write=lambda n: write, **more
    ), loaded


def test_a_step_can_be_pickled_before_and_after_work(folder):
    (step,), _ = steps(
        {"operations": [{"kind": "synonyms"}, {"kind": "insertion", "file": "mine.txt"}]}, folder
    )
    batches = list(batches_of_rows([(1, {"text": TEXT})], ["text"], source="in.jsonl"))
    for _ in range(2):
        again = pickle.loads(pickle.dumps(step))
        assert [operation.kind for operation in again.operations] == ["synonyms", "insertion"]
        assert list(again(batches)) == list(step(batches))


def test_everything_is_off_by_default(folder):
    assert steps({}, folder) == ([], [])


def test_the_section_becomes_a_step(folder):
    options = {
        "operations": [{"kind": "swap", "share": 0.2}, {"kind": "deletion", "share": 0.1}],
        "max_share": 0.4,
        "label_field": "label",
        "per_class": True,
        "min_similarity": 0.8,
        "embedder": "minilm",
        "max_edit_distance": 0.5,
        "attempts": 2,
    }
    (step,), loaded = steps(options, folder, held_out={1}, provenance_field="p", group_field="g")
    assert loaded == ["minilm"]
    assert [operation.kind for operation in step.operations] == ["swap", "deletion"]
    assert (step.quota.shares, step.quota.max_share, step.quota.is_per_class) == ([0.2, 0.1], 0.4, True)
    assert (step.gate.min_similarity, step.gate.max_edit_distance) == (0.8, 0.5)
    assert (step.seed, step.attempts, step.label_field) == (7, 2, "label")
    assert (step.held_out, step.provenance_field, step.group_field) == ({1}, "p", "g")
    (step,), loaded = steps(
        {"operations": [{"kind": "swap"}], "label_field": "x", "min_per_class": 9}, folder
    )
    assert (step.quota.min_per_class, loaded) == (9, [])


@pytest.mark.parametrize(
    ("options", "fault"),
    [
        ({"per_class": True}, "need label_field"),
        ({"min_per_class": 3}, "need label_field"),
        ({"label_field": "x"}, "takes effect with"),
        ({"label_field": "x", "per_class": True, "min_per_class": 3}, "exclude each other"),
        ({"min_similarity": 0.8}, "need each other"),
        ({"embedder": "minilm"}, "need each other"),
        ({"operations": [{"kind": "synonyms", "file": "a", "wordnet": "b"}]}, "takes no effect beside"),
        ({"operations": [{"kind": "insertion", "file": "a", "wordnet": "b"}]}, "takes no effect beside"),
        ({"operations": [{"kind": "prefix", "rate": 0.1}]}, "rate"),
        ({"operations": [{"kind": "paraphrase"}]}, "model"),
        ({"operations": [{"kind": "paraphrase", "model": "m", "prompt": "no place"}]}, "pattern"),
        ({"max_share": 1.0}, "less than 1"),
    ],
)
def test_what_cannot_take_effect_is_refused(options, fault):
    with pytest.raises(ValidationError, match=fault):
        AugmentSection.model_validate(options)
