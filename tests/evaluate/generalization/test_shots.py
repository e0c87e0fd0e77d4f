"""Examples before a question: the same questions for every number, nested examples, and never the question itself."""

from __future__ import annotations

import pytest

from luthier.core.errors import DataError
from luthier.data.example import IGNORED
from luthier.data.sample import Message, Sample
from luthier.data.template import ChatTemplate
from luthier.evaluate.generalization.shots import ShotRows, shot_rows
from tests.models.tiny_chat import TEMPLATE, make_chat_tokenizer

TOKENIZER = make_chat_tokenizer()
CHAT = ChatTemplate(TOKENIZER, None if TOKENIZER.chat_template else TEMPLATE)


def sample(number: int, question: str, answer: str) -> Sample:
    return Sample("rows.json", number, messages=(Message("user", question), Message("assistant", answer)))


TRAINED = [sample(n, f"What is the red fox {n}?", f"It is red {n}.") for n in range(6)]
HELD_OUT = [sample(n, f"What is the blue dog {n}?", f"It is blue {n}.") for n in range(5)]


def made(
    counts: list[int],
    trained: list[Sample] = TRAINED,
    held_out: list[Sample] = HELD_OUT,
    **changes: int,
) -> ShotRows:
    settings = {"most": 3, "max_tokens": 400, "seed": 0, **changes}
    return shot_rows(held_out, trained, CHAT, counts, **settings)  # type: ignore[arg-type]


def text(rows: ShotRows, count: int, number: int) -> str:
    return str(TOKENIZER.decode(rows.rows[count][number].input_ids))


def test_every_number_of_examples_asks_the_same_questions() -> None:
    rows = made([0, 1, 3])
    assert [len(rows.rows[count]) for count in (0, 1, 3)] == [3, 3, 3]
    for number in range(3):
        labels = [
            [label for label in rows.rows[count][number].labels if label != IGNORED] for count in (0, 1, 3)
        ]
        assert labels[0] == labels[1] == labels[2]  # the answer alone is scored
        assert [text(rows, count, number).count("fox") for count in (0, 1, 3)] == [0, 1, 3]
        assert rows.prompts[1][number] == list(rows.rows[1][number].input_ids[: len(rows.prompts[1][number])])


def test_fewer_examples_are_the_last_ones_of_more() -> None:
    rows = made([1, 3])
    for number in range(3):
        one, three = rows.rows[1][number].input_ids.tolist(), rows.rows[3][number].input_ids.tolist()
        skipped = 2 if one[0] == three[0] and one[0] == TOKENIZER.bos_token_id else 0
        assert three[len(three) - len(one) + skipped :] == one[skipped:]


def test_a_question_is_never_its_own_example() -> None:
    same = [sample(0, "What is the blue dog 0?", "A leak."), *TRAINED[:2]]
    rows = made([2], trained=same, held_out=HELD_OUT[:1], most=1)
    assert "leak" not in text(rows, 2, 0)


def test_a_seed_draws_the_same_examples() -> None:
    first, again, other = made([2]), made([2]), made([2], seed=1)
    tokens = [[row.input_ids.tolist() for row in rows.rows[2]] for rows in (first, again, other)]
    assert tokens[0] == tokens[1] != tokens[2]


def test_a_question_that_fits_with_no_example_only_is_left_out_everywhere() -> None:
    lengths = [len(row.input_ids) for row in made([0, 3], most=5).rows[3]]
    limit = sorted(lengths)[2]
    rows = made([0, 3], most=5, max_tokens=limit)
    assert rows.num_too_long == sum(length > limit for length in lengths)
    assert len(rows.rows[0]) == len(rows.rows[3]) == len(rows.references)
    with pytest.raises(DataError, match="no held-out question fits"):
        made([0, 3], max_tokens=5)


def test_too_few_training_rows_are_told() -> None:
    with pytest.raises(DataError, match="asks for 9 examples, but 6") as found:
        made([0, 9])
    assert found.value.cure == "shots: [0, 6]"
