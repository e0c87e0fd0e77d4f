"""The step: source rows pass unaltered, new rows follow with their provenance, and nothing leaks."""

import json
import pickle
from collections import Counter

import numpy as np
import pytest

from luthier.core.errors import DataError
from luthier.data.augment.affix import Affix
from luthier.data.augment.deletion import Deletion
from luthier.data.augment.gate import DriftGate
from luthier.data.augment.held_out import held_out_keys
from luthier.data.augment.provenance import provenance_of
from luthier.data.augment.quota import Quota
from luthier.data.augment.step import Augmentation
from luthier.data.augment.swap import Swap
from luthier.data.operators.batch import batches_of_rows, batches_of_samples, leave_out, rows_of, samples_of
from luthier.data.operators.files import open_batches, write_batches
from luthier.data.sample import Message, Sample
from luthier.data.sources import read_rows
from luthier.data.split import split_rows

TEXTS = [
    f"where is the card number {word} that was sent to me"
    for word in ["alpha", "beta", "gamma", "delta", "omega"]
]
ROWS = [
    {"text": f"{text} {tail}", "label": label}
    for label, tails in {"card": "abcdefgh", "fee": "xy"}.items()
    for text in TEXTS
    for tail in tails
]


def batches(rows=ROWS, batch_rows=2000):
    return batches_of_rows(enumerate(rows, start=1), ["text"], source="in.jsonl", batch_rows=batch_rows)


def step(shares=(0.2, 0.1), *, max_share=0.5, is_per_class=False, min_per_class=None, **options):
    quota = Quota(shares, max_share, is_per_class=is_per_class, min_per_class=min_per_class)
    operations = [Deletion(0.2), Swap(0.2)][: len(shares)]
    return Augmentation(operations, quota, **({"seed": 1} | options))


def run(augmentation, rows=ROWS, batch_rows=2000):
    """Return the rows that come out, each with its provenance (None for what was read), its reason and its place."""
    return [
        (row, provenance_of(changes), reason, place)
        for batch in augmentation(batches(rows, batch_rows))
        for row, changes, reason, place in zip(
            rows_of(batch), *(batch[name].to_pylist() for name in ("changes", "reason", "row")), strict=True
        )
    ]


def made(out):
    return [(row, origin) for row, origin, reason, _ in out if origin and reason is None]


def test_source_rows_come_first_as_they_were():
    out = run(step(group_field=None))
    assert [row for row, *_ in out[: len(ROWS)]] == ROWS
    assert len(made(out)) == 15 == len(out) - len(ROWS)
    assert Counter(origin.kind for _, origin in made(out)) == {"deletion": 10, "swap": 5}


def test_new_rows_say_where_they_come_from_and_keep_their_label():
    out = run(step(provenance_field="augmented"))
    for row, origin in made(out):
        parent = ROWS[origin.row - 1]
        assert row["label"] == parent["label"]
        assert row["text"] != parent["text"]
        assert (origin.seed, origin.source) == (1, "in.jsonl")
        assert 0 < origin.edit_distance < 1
        assert json.loads(row["augmented"])["row"] == origin.row
        if origin.kind == "swap":
            assert Counter(row["text"].split()) == Counter(parent["text"].split())
    assert all(row["augmented"] == "" for row, *_ in out[: len(ROWS)])


def test_the_seed_decides_and_the_batches_do_not():
    first = run(step())
    assert run(step(), batch_rows=7) == first
    assert run(step()) == first
    texts = {row["text"] for row, _ in made(first)}
    elsewhere = batches_of_rows(enumerate(ROWS, start=1), ["text"], source="/other/in.jsonl")
    assert {row["text"] for batch in list(step()(elsewhere))[1:] for row in rows_of(batch)} == texts
    assert {row["text"] for row, _ in made(run(step(seed=2)))} != texts


def test_it_can_be_pickled_and_run_again():
    augmentation = pickle.loads(pickle.dumps(step()))
    assert run(augmentation) == run(augmentation) == run(step())
    assert augmentation.counts.total("made") == 15


def test_rows_that_are_out_stay_out_and_make_nothing():
    def judge(rows):
        return [("bad", "x") if text.endswith("a") else None for (text,) in rows]

    augmentation = step((0.5,))
    out = [batch for batch in augmentation(leave_out(batch, judge) for batch in batches())]
    assert out[0]["reason"].to_pylist().count("bad") == 5
    origins = [provenance_of(changes) for batch in out[1:] for changes in batch["changes"].to_pylist()]
    assert augmentation.counts.total("rows") == 45
    assert len(origins) == 22
    assert all(not ROWS[origin.row - 1]["text"].endswith("a") for origin in origins)


def test_no_two_rows_ask_the_same():
    rows = [{"text": "one two"}, {"text": "two one"}, {"text": "ONE  two "}]
    augmentation = Augmentation([Swap(0.1)], Quota([1.0]), seed=0)
    assert made(run(augmentation, rows)) == []
    assert set(augmentation.counts.dropped) == {("swap", "duplicate")}
    assert augmentation.counts.missing == 3


def test_each_class_gets_its_share_under_its_own_cap():
    augmentation = step((1.0,), max_share=0.2, is_per_class=True, label_field="label")
    labels = Counter(row["label"] for row, _ in made(run(augmentation)))
    assert labels == {"card": 10, "fee": 2}  # 10 of 50 and 2 of 12 are at most a fifth
    assert {name: each.capped for name, each in augmentation.counts.classes.items()} == {"card": 30, "fee": 8}


def test_rare_classes_are_filled_up():
    augmentation = step(min_per_class=18, label_field="label")
    out = run(augmentation)
    assert Counter(row["label"] for row, *_ in out) == {"card": 40, "fee": 18}
    assert max(Counter(origin.row for _, origin in made(out)).values()) == 1


def test_the_cap_holds_over_all():
    out = run(step((5.0,), max_share=0.3))
    assert len(made(out)) == 21 == int(0.3 / 0.7 * 50)


def test_rows_without_a_class_are_counted_and_left_alone():
    rows = [*ROWS, {"text": "no class here at all"}]
    augmentation = step(min_per_class=18, label_field="label")
    assert len(made(run(augmentation, rows))) == 8
    assert augmentation.counts.without_label == 1
    with pytest.raises(DataError, match="no row has a class: none of 50 has the field 'topic'"):
        run(step(min_per_class=18, label_field="topic"))
    with pytest.raises(DataError, match="no field names the class"):
        step(is_per_class=True)


def embed(texts):
    """Return unit vectors of letter counts: a text with other letters is another text."""
    vectors = np.array([[text.count(chr(97 + i)) for i in range(26)] for text in texts], dtype=np.float32)
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def test_what_drifts_is_dropped_counted_shown_and_made_up_for():
    gate = DriftGate(min_similarity=0.985, embed=embed)
    augmentation = Augmentation([Deletion(0.2)], Quota([0.4]), seed=1, gate=gate)
    out = run(augmentation)
    dropped = [(origin, reason) for _, origin, reason, _ in out if reason]
    assert {reason for _, reason in dropped} == {"augment_drift"}
    assert augmentation.counts.dropped["deletion", "drift"] == len(dropped) > 0
    assert all(origin.similarity < 0.985 for origin, _ in dropped)
    assert all(origin.similarity >= 0.985 for _, origin in made(out))
    assert len(made(out)) == 20 - augmentation.counts.missing
    assert len({origin.draw for _, origin in made(out)} - set(range(20))) > 0  # draws beyond the first round
    everything = run(Augmentation([Deletion(0.2)], Quota([0.4]), seed=1))
    assert not [1 for _, _, reason, _ in everything if reason]


def test_attempts_are_used():
    class Once:
        kind, calls = "once", 0

        def edit_words(self, words, is_free, random):
            Once.calls += 1
            return {}

    augmentation = Augmentation([Once()], Quota([0.02]), seed=1, attempts=5)
    run(augmentation)
    assert Once.calls == 5
    assert augmentation.counts.dropped == {("once", "unchanged"): 5}


def test_an_engine_that_always_says_the_same_is_asked_once():
    class Fixed:
        kind, is_random, is_once_per_row, calls = "fixed", False, False, 0

        def rewrite(self, texts, randoms):
            Fixed.calls += len(texts)
            return list(texts)

    run(Augmentation([Fixed()], Quota([0.02]), seed=1))
    assert Fixed.calls == 1


def test_evaluation_rows_are_never_touched_nor_repeated(tmp_path):
    train, held_out = tmp_path / "train.jsonl", tmp_path / "eval.jsonl"
    _write(train, [{"text": "please block card"}, {"text": "open account now"}])
    _write(
        held_out,
        [{"text": "Please card  BLOCK"}, {"text": "card please block"}, {"text": "block card please"}],
    )
    before = held_out.read_bytes()
    keys = held_out_keys(open_batches(held_out))
    augmentation = Augmentation([Swap(0.1)], Quota([3.0], max_share=0.9), seed=0, held_out=keys)
    out = [row for batch in augmentation(open_batches(train)) for row in rows_of(batch)]
    assert held_out.read_bytes() == before
    assert not {row["text"] for row in out} & {"please card block", "card please block", "block card please"}
    assert {row["group"] for row in out} == {f"{train}:1", f"{train}:2"}
    assert augmentation.counts.dropped["swap", "held_out"] > 0
    free = Augmentation([Swap(0.1)], Quota([3.0], max_share=0.9), seed=0)
    texts = {row["text"] for batch in free(open_batches(train)) for row in rows_of(batch)}
    assert texts & {"please card block", "card please block", "block card please"}


def _write(path, rows):
    path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), encoding="utf-8")


_NUMBERS = "one two three four five six seven eight nine ten"


def test_a_split_never_separates_a_row_from_its_source():
    samples = [
        Sample(
            "in.jsonl", n, (Message("user", f"question {word} please"), Message("assistant", f"answer {n}"))
        )
        for n, word in enumerate(_NUMBERS.split(), start=1)
    ]
    augmentation = Augmentation([Affix("prefix")], Quota([1.0]), seed=3)
    out = [sample for batch in augmentation(batches_of_samples(samples)) for sample in samples_of(batch)]
    assert len(out) == 20
    for old, new in zip(samples, out[:10], strict=True):
        assert (old.messages, f"in.jsonl:{old.row}") == (new.messages, new.group)
    for seed in range(20):
        side = split_rows(out, 0.3, seed)
        assert 0 < sum(side) < 20
        assert all(
            len({held for s, held in zip(out, side, strict=True) if s.row == row}) == 1
            for row in range(1, 11)
        )
    ungrouped = Augmentation([Affix("prefix")], Quota([1.0]), seed=3, group_field=None)
    out = [sample for batch in ungrouped(batches_of_samples(samples)) for sample in samples_of(batch)]
    sides = [split_rows(out, 0.3, seed) for seed in range(20)]
    assert any(
        a != b for side in sides for a, b in zip(_by_row(out, side), _by_row(out, side)[1:], strict=False)
    )


def _by_row(samples, side):
    return [held for _, held in sorted((s.row, held) for s, held in zip(samples, side, strict=True))]


def test_a_group_that_is_there_stays():
    rows = [row | {"group": "g"} for row in ROWS]
    assert {row["group"] for row, *_ in run(step(), rows)} == {"g"}


@pytest.mark.parametrize("kind", ["jsonl", "csv", "parquet", "json"])
def test_files_keep_provenance_and_a_second_pass_adds_nothing(tmp_path, kind):
    source, first, second = tmp_path / "in.jsonl", tmp_path / f"first.{kind}", tmp_path / f"second.{kind}"
    _write(source, ROWS)
    write_batches(step(provenance_field="augmented")(open_batches(source)), first)
    rows = [row for _, row in read_rows(first)]
    assert [{"text": row["text"], "label": row["label"]} for row in rows[: len(ROWS)]] == ROWS
    origins = [json.loads(row["augmented"]) for row in rows[len(ROWS) :]]
    assert len(origins) == 15
    assert all(
        row["group"] == f"{source}:{origin['row']}" for row, origin in zip(rows[50:], origins, strict=True)
    )
    notes = [row for _, row in read_rows(tmp_path / f"first.{kind}.changes.jsonl")]
    assert [note["row"] for note in notes] == [origin["row"] for origin in origins]
    assert [change["operator"] for change in notes[0]["changes"]] == [
        "augment",
        f"augment.{origins[0]['kind']}",
    ]
    assert notes[0]["changes"][1]["before"] == ROWS[notes[0]["row"] - 1]["text"]
    again = step(provenance_field="augmented")
    write_batches(again(open_batches(first, ["text"])), second)
    assert [row for _, row in read_rows(second)] == rows
    assert (again.counts.total("augmented"), again.counts.total("made")) == (15, 0)


def test_tokens_and_tags_flow_through(tmp_path):
    rows = [
        {
            "tokens": ["the", "card", "of", "Alice", "was", "lost", word],
            "tags": ["O", "O", "O", "B-PER", "O", "O", "O"],
        }
        for word in TEXTS[0].split()
    ]
    source = tmp_path / "in.jsonl"
    _write(source, rows)
    augmentation = Augmentation([Deletion(0.3)], Quota([0.5]), seed=0)
    out = list(augmentation(open_batches(source)))
    new = rows_of(out[-1])
    assert len(new) == 6
    assert all(4 <= len(row["tokens"]) == len(row["tags"]) < 7 for row in new)
    assert all(row["tags"][row["tokens"].index("Alice")] == "B-PER" for row in new)
    assert out[-1]["texts"].to_pylist() == [row["tokens"] for row in new]
