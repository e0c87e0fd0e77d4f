"""Answers against references: ROUGE-L and exact match in English and Chinese, and which questions are asked."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rouge_score.rouge_scorer import RougeScorer

from luthier.data.sample import Message, Sample
from luthier.data.template import ChatTemplate
from luthier.evaluate.answers import choose_questions, exact_match, rouge_l
from tests.data.chat_templates import CHATML, GEMMA, QWEN, make_tokenizer

ENGLISH = [
    ("The cat sat on the mat.", "the cat is on the mat"),
    ("police killed the gunman", "police kill the gunman"),
    ("the gunman kill police", "police killed the gunman"),
    ("Don't panic: it's 42!", "It is 42, so do not panic."),
    ("", "something"),
    ("one", ""),
    ("same words", "same words"),
    ("line one\nline two", "line two\nline one"),
]


class TestRougeL:
    @pytest.mark.parametrize(("answer", "reference"), ENGLISH)
    def test_equals_googles_rouge_score_in_english(self, answer: str, reference: str) -> None:
        theirs = RougeScorer(["rougeL"], use_stemmer=False).score(reference, answer)["rougeL"].fmeasure
        assert rouge_l(answer, reference) == pytest.approx(theirs)

    @settings(max_examples=60, deadline=None)
    @given(*[st.text(st.sampled_from("abcAB 12.,!?-'\n"), max_size=40)] * 2)
    def test_equals_googles_on_any_ascii_text(self, answer: str, reference: str) -> None:
        theirs = RougeScorer(["rougeL"], use_stemmer=False).score(reference, answer)["rougeL"].fmeasure
        assert rouge_l(answer, reference) == pytest.approx(theirs)

    def test_equals_the_example_of_the_paper(self) -> None:
        # C.-Y. Lin, ROUGE, 2004, section 3: S1 "police killed the gunman", S2 and S3 with an LCS of 3 and 2 of 4.
        assert rouge_l("police kill the gunman", "police killed the gunman") == 0.75
        assert rouge_l("the gunman kill police", "police killed the gunman") == 0.5

    def test_chinese_is_compared_by_characters(self) -> None:
        # By hand: 今天天气很好 (6) and 今天的天气好 (6) share 今天天气好 in order, 5: P = R = 5/6.
        assert rouge_l("今天天气很好", "今天的天气好") == pytest.approx(5 / 6)
        # 北京 (2) in 中国的首都是北京 (8): P = 1, R = 1/4, F = 0.4. Punctuation is no word.
        assert rouge_l("北京。", "中国的首都是北京！") == pytest.approx(0.4)
        assert rouge_l("你好", "再见") == 0.0

    def test_mixed_text_has_words_and_characters(self) -> None:
        # 用 | python3 | 写 against 用 | python3 | 读: 2 of 3; full-width letters are the same letters.
        assert rouge_l("用Python3写", "用Ｐｙｔｈｏｎ３读") == pytest.approx(2 / 3)


class TestExactMatch:
    @pytest.mark.parametrize(
        ("answer", "reference"),
        [
            ("Paris", "paris"),
            ("Paris.", "Paris"),
            ("  two\n words ", "two words"),
            ("是的。", "是的"),
            ("真的！", "真的!"),
            ("ＡＢＣ１", "abc1"),
            ("STRASSE", "straße"),
        ],
    )
    def test_folds_case_ends_width_and_space(self, answer: str, reference: str) -> None:
        assert exact_match(answer, reference) == 1.0

    @pytest.mark.parametrize(
        ("answer", "reference"),
        [("Paris, France", "Paris"), ("3.5", "35"), ("twowords", "two words"), ("", "no"), ("是", "不是")],
    )
    def test_other_answers_do_not_match(self, answer: str, reference: str) -> None:
        assert exact_match(answer, reference) == 0.0


def _template() -> ChatTemplate:
    return ChatTemplate(make_tokenizer(CHATML))


def _sample(row: int, *texts: str) -> Sample:
    roles = ("user", "assistant")
    turns = [Message(roles[n % 2], text) for n, text in enumerate(texts)]  # type: ignore[arg-type]
    return Sample("made.jsonl", row, messages=tuple(turns))


class TestChooseQuestions:
    def test_the_last_answer_is_asked_for_with_all_turns_before_it(self) -> None:
        template = _template()
        sample = _sample(1, "first question", "first answer", "second question", "second answer")
        (question,) = choose_questions([sample], template, count=5, max_tokens=500)
        assert question.place == "made.jsonl, row 1"
        assert question.prompt == "second question"
        assert question.reference == "second answer"
        assert question.prompt_ids == template.prompt_ids(sample.messages[:3])
        assert "first answer" in template.tokenizer.decode(question.prompt_ids)

    def test_turns_after_the_last_answer_are_left_out(self) -> None:
        sample = _sample(1, "question", "answer", "and then?")
        (question,) = choose_questions([sample], _template(), count=5, max_tokens=500)
        assert (question.prompt, question.reference) == ("question", "answer")

    def test_rows_that_do_not_fit_are_skipped_and_others_take_their_place(self) -> None:
        template = _template()
        samples = [_sample(n, "long question " * (40 if n % 2 else 1), f"answer {n}") for n in range(10)]
        limit = len(template.prompt_ids(samples[0].messages[:1]))
        chosen = choose_questions(samples, template, count=5, max_tokens=limit)
        assert sorted(question.reference for question in chosen) == [f"answer {n}" for n in range(0, 10, 2)]
        assert choose_questions(samples, template, count=5, max_tokens=limit - 1) == []

    def test_rows_without_an_answer_are_skipped(self) -> None:
        samples = [_sample(1, "only a question"), _sample(2, "question", "answer")]
        chosen = choose_questions(samples, _template(), count=5, max_tokens=500)
        assert [question.place for question in chosen] == ["made.jsonl, row 2"]

    def test_rows_that_the_template_refuses_are_skipped(self) -> None:
        # Gemma's template wants user and model to alternate.
        twice = Sample("made.jsonl", 1, (Message("assistant", "I begin"), Message("assistant", "again")))
        chosen = choose_questions(
            [twice, _sample(2, "question", "answer")],
            ChatTemplate(make_tokenizer(GEMMA)),
            count=5,
            max_tokens=500,
        )
        assert [question.place for question in chosen] == ["made.jsonl, row 2"]

    def test_they_are_spread_over_the_rows_and_the_same_every_time(self) -> None:
        samples = [_sample(n, "question", f"answer {n}") for n in range(100)]
        template = _template()
        chosen = choose_questions(samples, template, count=10, max_tokens=500)
        rows = sorted(int(question.place.rsplit(" ", 1)[1]) for question in chosen)
        assert len(set(rows)) == 10
        assert rows[0] < 25 and rows[-1] > 75
        assert max(after - before for before, after in zip(rows, rows[1:], strict=False)) < 30
        assert chosen == choose_questions(samples, template, count=10, max_tokens=500)

    def test_a_tool_call_is_compared_as_the_template_writes_it(self) -> None:
        call = {"name": "get_time", "arguments": {"zone": "UTC"}}
        turns = (Message("user", "what time?"), Message("assistant", "", tool_calls=(call,)))
        sample = Sample("made.jsonl", 1, messages=turns)
        (question,) = choose_questions([sample], ChatTemplate(make_tokenizer(QWEN)), count=1, max_tokens=500)
        written = '<tool_call>\n{"name": "get_time", "arguments": {"zone": "UTC"}}\n</tool_call>'
        assert question.reference == written
        assert exact_match(written, question.reference) == 1.0
        assert exact_match(written.replace("UTC", "CET"), question.reference) == 0.0
