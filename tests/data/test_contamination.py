"""Rows that share a passage with evaluation rows are found, in English and Chinese; templates are no evidence."""

import json
import pickle

import pytest
from hypothesis import given
from hypothesis import strategies as st

from luthier.data.contamination import Decontaminate
from luthier.data.operators.batch import batches_of_rows
from luthier.data.passages import Tokenizer, runs_of_length

QUESTION = "Natalia sold clips to 48 of her friends in April, and then she sold half as many clips in May."
ZH = "小明有十二个苹果，他给了小红四个，又买了七个，请问小明现在一共有多少个苹果？"


def _batches(texts, source="eval.jsonl"):
    return batches_of_rows(((n, {"text": t}) for n, t in enumerate(texts, 1)), ["text"], source=source)


def _verdicts(train, evaluation, **options):
    (batch,) = map(Decontaminate(_batches(evaluation), **options), _batches(train, "train.jsonl"))
    return list(zip(batch["reason"].to_pylist(), batch["detail"].to_pylist(), strict=True))


def test_a_passage_is_found_whatever_stands_around_it():
    (verdict,) = _verdicts([f"Solve this. {QUESTION.upper()} How many?"], ["x", QUESTION])
    passage = QUESTION.lower().replace(",", "").replace(".", "")
    assert verdict == ("contaminated", f"shares 20 words with eval.jsonl, row 2: {passage}")


def test_a_chinese_passage_is_found():
    (verdict,) = _verdicts([f"请回答：{ZH[3:]}谢谢"], [ZH])
    assert verdict[0] == "contaminated"
    assert verdict[1].startswith("shares 31 words with eval.jsonl, row 1: 十二个苹果他给了小红四个")


@pytest.mark.parametrize(("words", "is_found"), [(12, False), (13, True)])
def test_thirteen_words_make_a_passage(words, is_found):
    """13-grams as for GPT-3 (arXiv:2005.14165, appendix C)."""
    text = " ".join(QUESTION.split()[:words])
    assert (_verdicts([text + " and other things"], [QUESTION])[0][0] is not None) == is_found


@pytest.mark.parametrize(("characters", "is_found"), [(19, False), (20, True)])
def test_twenty_characters_make_a_passage(characters, is_found):
    plain = ZH.replace("，", "").replace("？", "")
    assert (_verdicts([plain[:characters] + "别的内容"], [ZH])[0][0] is not None) == is_found


def test_lengths_take_effect():
    train = [" ".join(QUESTION.split()[:6]) + " or not", ZH[:11] + "吗"]
    assert [reason for reason, _ in _verdicts(train, [QUESTION, ZH])] == [None, None]
    assert [reason for reason, _ in _verdicts(train, [QUESTION, ZH], ngram=6)] == ["contaminated", None]
    assert [reason for reason, _ in _verdicts(train, [QUESTION, ZH], cjk_ngram=8)] == [None, "contaminated"]


def test_a_short_evaluation_text_counts_as_a_whole():
    short = "What is the capital city of Burkina Faso?"
    assert _verdicts([f"Tell me: {short} Thanks."], [short])[0][0] == "contaminated"
    assert _verdicts(["What is the capital city of France?"], [short])[0][0] is None
    assert _verdicts([f"我想问一下{ZH[:15]}"], [ZH[:15]])[0][0] == "contaminated"


def test_a_row_shorter_still_counts_where_all_is_equal():
    assert [r for r, _ in _verdicts(["Lost card!", "Lost card now", "你好"], ["lost card", "你好。"])] == [
        "contaminated",
        None,
        "contaminated",
    ]


def test_what_many_evaluation_texts_share_is_a_template():
    """GPT-3 ignores n-grams that more than ten documents share (arXiv:2005.14165, appendix C)."""
    prompt = (
        "You are a helpful assistant. Think step by step, then write the final answer after four hashes. "
    )
    for number, is_template in ((10, False), (11, True)):
        evaluation = [f"{prompt}{word * 3}" for word in "abcdefghijkl"[:number]]
        assert (_verdicts([f"{prompt}Something else."], evaluation)[0][0] is None) == is_template
    # One context with many questions is one text.
    assert _verdicts([f"{prompt}Something else."], [f"{prompt}a"] * 50)[0][0] == "contaminated"


def test_passages_do_not_reach_from_one_text_into_the_next():
    evaluation = batches_of_rows([(1, {"q": QUESTION[:40], "a": QUESTION[40:]})], ["q", "a"], source="e")
    operator = Decontaminate(evaluation, ngram=20)
    assert operator.overlap([f"So: {QUESTION}"]) is None


def test_the_operator_can_be_sent_to_another_process():
    operator = pickle.loads(pickle.dumps(Decontaminate(_batches([QUESTION]))))
    assert operator.num_rows == 1 and operator.overlap([QUESTION]).num_words == 20


def test_nothing_to_compare_with():
    assert _verdicts([QUESTION, ""], ["", "!"]) == [(None, None), (None, None)]


WORDS = st.lists(st.sampled_from(["a", "b", "c", "中", "文", "d,"]), max_size=25)


@given(train=WORDS, evaluation=WORDS, length=st.integers(1, 6))
def test_runs_have_equal_hashes_exactly_where_their_words_are_equal(train, evaluation, length):
    tokenize = Tokenizer(13, 20)
    one, other = tokenize(" ".join(train)), tokenize(" ".join(evaluation))
    for a in range(len(one.words) - length + 1):
        for b in range(len(other.words) - length + 1):
            is_equal = one.words[a : a + length] == other.words[b : b + length]
            hashes = runs_of_length(one, length).hashes[a], runs_of_length(other, length).hashes[b]
            assert (hashes[0] == hashes[1]) == is_equal


@given(train=WORDS, evaluation=WORDS, ngram=st.integers(3, 5), cjk_ngram=st.integers(3, 6))
def test_windows_are_the_shortest_runs_that_are_full(train, evaluation, ngram, cjk_ngram):
    tokenize = Tokenizer(ngram, cjk_ngram)
    tokens = tokenize(" ".join(train))
    for start, end, _ in zip(*(column.tolist() for column in tokenize.windows(tokens)), strict=True):
        filled = [
            sum(1 / cjk_ngram if word in "中文" else 1 / ngram for word in tokens.words[start:last])
            for last in (end - 1, end)
        ]
        assert filled[0] < 1 - 1e-9 and filled[1] >= 1 - 1e-9


def test_planted_questions_of_gsm8k_are_all_found_and_nothing_else(shared_data):
    """GSM8K's authors split it; its test questions planted among training rows must all be found."""
    rows = {}
    for side in ("train", "test"):
        lines = (shared_data / "math" / f"gsm8k_{side}.jsonl").read_text(encoding="utf-8").splitlines()
        rows[side] = [json.loads(line)["question"] for line in lines]
    operator = Decontaminate(_batches(rows["test"]))
    planted = [f"Here is a riddle. {text} Please answer." for text in rows["test"][:300]]
    assert all(operator.overlap([text]) for text in planted)
    found = sum(operator.overlap([text]) is not None for text in rows["train"][:3000])
    assert found < 0.01 * 3000
