"""One row of each group stays; the others are left out with the row that they are like."""

from functools import partial

import numpy as np
import pyarrow
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from luthier.core.errors import DataError
from luthier.data.duplicates.exact import EqualTexts
from luthier.data.duplicates.links import Components
from luthier.data.duplicates.near import NearDuplicates
from luthier.data.duplicates.remove import RemoveDuplicates, group_labels
from luthier.data.duplicates.semantic import SemanticDuplicates
from luthier.data.operators.batch import batches_of_rows, batches_of_samples, leave_out, samples_of
from luthier.data.sample import Sample

CAT = "The quick brown fox jumps over the lazy dog and runs away into the deep dark forest."
ZH = "这家酒店的位置非常好，离地铁站只有五分钟的路程，房间干净整洁，早餐也很丰富，下次还会再来。"


def _run(rows, make_finder, keep="first", batch_rows=3, fields=("text",)):
    batches = batches_of_rows(enumerate(rows, 1), fields, source="a.jsonl", batch_rows=batch_rows)
    out = list(RemoveDuplicates(make_finder, keep)(batches))
    assert [row for batch in out for row in batch["row"].to_pylist()] == list(range(1, len(rows) + 1))
    columns = zip(
        *([v for b in out for v in b[n].to_pylist()] for n in ("row", "reason", "detail")), strict=True
    )
    return {row: (reason, detail) for row, reason, detail in columns if reason}


def test_equal_texts_are_found_and_other_fields_told():
    rows = [{"text": t, "label": label} for t, label in [("a", 0), ("b", 0), ("a", 0), ("a ", 0), ("a", 1)]]
    assert _run(rows, EqualTexts) == {
        3: ("duplicate", "equal to a.jsonl, row 1"),
        5: ("duplicate", "the texts of a.jsonl, row 1; other fields differ"),
    }


def test_texts_in_other_fields_are_not_equal():
    rows = [{"q": "a", "a": "b"}, {"q": "a", "c": "b"}, {"q": "ab", "a": ""}, {"q": "a", "a": "b"}]
    assert list(_run(rows, EqualTexts, fields=("q", "a", "c"))) == [4]


@given(st.lists(st.sampled_from(["a", "b", "中", "中文", ""]), max_size=20), st.integers(1, 7))
def test_exactly_the_repeated_rows_are_left_out(texts, batch_rows):
    out = _run([{"text": text} for text in texts], EqualTexts, batch_rows=batch_rows)
    assert [t for n, t in enumerate(texts, 1) if n not in out] == list(dict.fromkeys(texts))


@pytest.mark.parametrize("text", [CAT, ZH])
def test_near_duplicates_are_named_with_their_similarity(text):
    half = len(text) // 2
    other = text[:half] + "#" + text[half + 1 :]
    rows = [{"text": t} for t in ("something else entirely, 完全不同的内容", text, other, text.upper() + " ")]
    out = _run(rows, partial(NearDuplicates, 0.8))
    changed = len(text) - 2  # n-grams of length 3, of which the edit changes three
    jaccard = (changed - 3) / (changed + 3) if len(set(text)) > 20 else None
    assert set(out) == {3, 4}
    assert out[4] == ("near_duplicate", "the same characters as a.jsonl, row 2")
    reason, detail = out[3]
    assert reason == "near_duplicate" and "a.jsonl, row 2" in detail and "3-grams" in detail
    assert float(detail.split()[0]) == pytest.approx(jaccard, abs=0.03)


def test_threshold_and_ngram_take_effect():
    rows = [{"text": CAT}, {"text": CAT.replace("lazy", "tired")}]
    assert list(_run(rows, partial(NearDuplicates, 0.8))) == [2]
    assert not _run(rows, partial(NearDuplicates, 0.95))
    assert not _run(rows, partial(NearDuplicates, 0.8, ngram=8))


def test_the_longest_row_stays_where_asked():
    rows = [{"text": CAT}, {"text": CAT + " Indeed."}, {"text": CAT + " Indeed!"}, {"text": "alone"}]
    near = partial(NearDuplicates, 0.7)
    assert list(_run(rows, near)) == [2, 3]
    assert list(_run(rows, near, keep="longest")) == [1, 3]


def test_rows_connected_through_another_say_so():
    words = [f"word{n:02d}" for n in range(40)]
    texts = [" ".join(words[shift : shift + 30]) for shift in (0, 3, 6)]
    out = _run([{"text": text} for text in texts], partial(NearDuplicates, 0.75, ngram=5))
    assert set(out) == {2, 3}
    assert "a.jsonl, row 1" in out[3][1] and "through a.jsonl, row 2" in out[3][1]


def test_rows_left_out_before_are_not_compared():
    batch = next(batches_of_rows([(1, {"text": "a"}), (2, {"text": "a"})], ["text"], source="x"))
    batch = leave_out(batch, lambda rows: [("early", "on"), None])
    (out,) = RemoveDuplicates(EqualTexts)([batch])
    assert out["reason"].to_pylist() == ["early", None]


def test_nothing_is_lost_without_rows():
    assert list(RemoveDuplicates(partial(NearDuplicates, 0.8))([])) == []
    assert _run([{"text": CAT}], partial(NearDuplicates, 0.8)) == {}
    assert _run([{"n": 1}, {"n": 1}], EqualTexts) == {
        n: ("no_text", "no string stands at text") for n in (1, 2)
    }


def test_samples_pass():
    samples = [Sample("a", n, text=t) for n, t in enumerate([CAT, "other", CAT.replace("dog", "cat")], 1)]
    out = RemoveDuplicates(partial(NearDuplicates, 0.7))(batches_of_samples(samples))
    assert [s.row for batch in out for s in samples_of(batch)] == [1, 2]


def test_batches_do_not_matter():
    rows = [{"text": CAT.replace("fox", f"f{n // 3}x")[n % 3 :]} for n in range(60)]
    once = _run(rows, partial(NearDuplicates, 0.9), batch_rows=100)
    assert once and once == _run(rows, partial(NearDuplicates, 0.9), batch_rows=7)


def test_labels_name_the_first_row_of_each_group():
    rows = [{"text": t} for t in (CAT, "other", CAT + "!", "other", CAT)]
    batches = batches_of_rows(enumerate(rows, 1), ["text"], source="x", batch_rows=2)
    assert group_labels(batches, NearDuplicates(0.8)).tolist() == [0, 1, 0, 1, 0]


@settings(max_examples=60)
@given(st.lists(st.tuples(st.integers(0, 19), st.integers(0, 19)), max_size=30))
def test_components_are_those_of_the_graph(pairs):
    components = Components(20)
    left, right = np.array(pairs, int).reshape(-1, 2).T
    components.connect(left, right)
    expected = list(range(20))
    for _ in range(20):
        for one, other in pairs:
            expected[one] = expected[other] = min(expected[one], expected[other])
    assert components.labels.tolist() == expected


def _embed(texts):
    """A vector per text: the words count, not their order."""
    vectors = np.zeros((len(texts), 64), np.float32)
    for row, text in enumerate(texts):
        for word in text.split():
            vectors[row, sum(map(ord, word)) % 64] += 1
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def test_semantic_duplicates():
    rows = [{"text": t} for t in ("dogs chase cats", "something else", "cats chase dogs", "chase dogs")]
    out = _run(rows, partial(SemanticDuplicates, _embed, 0.95))
    assert out == {3: ("semantic_duplicate", "1.00 similar to a.jsonl, row 1 (cosine of embeddings)")}
    assert set(_run(rows, partial(SemanticDuplicates, _embed, 0.8))) == {3, 4}


def test_semantic_index_finds_what_comparing_all_finds(monkeypatch):
    pytest.importorskip("usearch")
    from luthier.data.duplicates import semantic

    generator = np.random.default_rng(0)
    centres = generator.normal(size=(300, 32))
    vectors = (centres[generator.integers(0, 300, 900)] + generator.normal(size=(900, 32)) * 0.05).astype(
        np.float32
    )
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    rows = [{"text": str(n)} for n in range(900)]
    find = partial(SemanticDuplicates, lambda texts: vectors[[int(t) for t in texts]], 0.98)
    everything = _run(rows, find, batch_rows=200)
    monkeypatch.setattr(semantic, "_EXACT_ROWS", 10)
    indexed = _run(rows, find, batch_rows=200)
    assert 400 < len(everything) < 700
    assert len(set(everything) & set(indexed)) >= 0.99 * len(everything) and set(indexed) <= set(everything)


@pytest.mark.parametrize(
    ("vectors", "problem"),
    [(np.ones((1, 4)), "shape"), (np.ones((2, 4)), "unit length"), (np.ones(2), "shape")],
)
def test_wrong_vectors_are_refused(vectors, problem):
    rows = next(batches_of_rows([(1, {"text": "a"}), (2, {"text": "b"})], ["text"], source="x"))
    finder = SemanticDuplicates(lambda texts: vectors.astype(np.float32))
    with pytest.raises(DataError, match=problem):
        finder.add(rows)


def test_the_step_can_be_sent_to_another_process():
    import pickle

    step = pickle.loads(pickle.dumps(RemoveDuplicates(partial(NearDuplicates, 0.8), "longest")))
    assert step.keep == "longest" and isinstance(next(iter(step(_one())), None), pyarrow.RecordBatch)


def _one():
    return batches_of_rows([(1, {"text": "a"})], ["text"], source="x")
