"""Curated rows as files: what is written is read again as the same sample, whatever kind it is of."""

from __future__ import annotations

from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from luthier.data.curate.rows_file import moved_answers, read_curated, row_of
from luthier.data.example import Rejection
from luthier.data.read import read_source
from luthier.data.row_json import dumps
from luthier.data.sample import Answer, Message, Sample
from luthier.recipe.source_section import Source

CALL = {"name": "look_up", "arguments": {"city": "北京", "days": 2}}
TOOL = {"type": "function", "function": {"name": "look_up", "parameters": {"type": "object"}}}
SAMPLES = [
    Sample(
        "a.json",
        3,
        messages=(
            Message("system", "Be brief."),
            Message("user", "天气？"),
            Message("assistant", "", tool_calls=(CALL,)),
            Message("tool", "sunny"),
            Message("assistant", "Sunny.", weight=0),
            Message("user", "Thanks"),
            Message("assistant", "Gladly."),
        ),
        tools=(TOOL,),
        group="g",
        weight=2.5,
        task="chat",
    ),
    Sample("b.txt", 1, text="Raw text.\nIn two lines."),
    Sample(
        "c.csv", 9, text="I lost my card", labels=("lost_card",), attributes={"label": "x", "topic": "cards"}
    ),
    Sample("c.csv", 10, text="Two at once", text_pair="Second text", labels=("a", "b")),
    Sample("c.csv", 11, text="None at all", labels=()),
    Sample("d.conll", 4, tokens=("New", "York"), tags=("B-loc", "I-loc")),
    Sample("e.json", 5, question="Where?", context="He is in Rome. Rome!", answers=(Answer("Rome", 15),)),
    Sample("e.json", 6, question="When?", context="He is in Rome.", answers=()),
]


def _write(path: Path, samples: list[Sample]) -> Path:
    path.write_bytes(b"".join(dumps(row_of(sample)) + b"\n" for sample in samples))
    return path


def test_every_kind_is_read_as_it_was_written(tmp_path: Path) -> None:
    path = _write(tmp_path / "rows.jsonl", SAMPLES)
    assert list(read_curated(path, ["label", "topic"])) == SAMPLES


@given(st.text(st.characters(exclude_categories=["Cs"]), min_size=1).filter(str.strip), st.floats(0.01, 100))
def test_any_text_and_weight_are_read_as_they_were_written(
    tmp_path_factory: object, text: str, weight: float
) -> None:
    folder: Path = tmp_path_factory.mktemp("rows")  # type: ignore[attr-defined]
    turns = (Message("user", text), Message("assistant", text))
    samples = [
        Sample("s", 1, messages=turns, weight=weight),
        Sample("s", 2, text=text, labels=(text.strip(),), weight=weight),
    ]
    found = list(read_curated(_write(folder / "rows.jsonl", samples), ()))
    assert [entry.weight for entry in found if isinstance(entry, Sample)] == [weight, weight]
    assert found == samples


def test_a_source_of_a_recipe_reads_the_file(tmp_path: Path) -> None:
    """What one recipe made is what another may begin with."""
    _write(tmp_path / "rows.jsonl", SAMPLES[:1])
    (sample,) = read_source(Source.model_validate({"path": "rows.jsonl"}), tmp_path)
    assert isinstance(sample, Sample)
    assert sample.messages == SAMPLES[0].messages and sample.tools == SAMPLES[0].tools


def test_a_row_that_a_cleaner_emptied_is_left_out_with_the_schemas_reason(tmp_path: Path) -> None:
    emptied = Sample("a.json", 7, messages=(Message("user", "Hi"), Message("assistant", " ")))
    (rejection,) = read_curated(_write(tmp_path / "rows.jsonl", [emptied]), ())
    assert isinstance(rejection, Rejection)
    assert (rejection.place, rejection.reason) == ("a.json, row 7", "empty_answer")


def test_answers_move_with_their_context() -> None:
    """Two blanks became one before the answer: the occurrence that is nearest to the old place counts."""
    sample = Sample("q", 1, question="Where?", context="Rome, in Rome.", answers=(Answer("Rome", 11),))
    assert moved_answers(sample).answers == (Answer("Rome", 9),)
    gone = Sample("q", 1, question="Where?", context="Nowhere.", answers=(Answer("Rome", 3),))
    assert moved_answers(gone) == gone
