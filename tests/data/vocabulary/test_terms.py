"""Terms that a tokenizer shatters: which are found, which are chosen, and what becomes of the tokenizer."""

from __future__ import annotations

from pathlib import Path

import pytest
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers
from transformers import PreTrainedTokenizerFast

from luthier.core.errors import DataError
from luthier.data.vocabulary.candidates import find_candidates
from luthier.data.vocabulary.choose import choose_terms, count_uses
from luthier.data.vocabulary.extend import extend_tokenizer, keeps_blanks, plain_ids
from luthier.data.vocabulary.fertility import measure_fertility
from luthier.data.vocabulary.retrain import retrain_tokenizer
from luthier.data.vocabulary.stage import used_terms
from luthier.data.vocabulary.term_file import read_terms, write_terms
from tests.models.tiny_chat import make_chat_tokenizer

ENGLISH = [
    f"The {who} has hypertension{end}"
    for who in ("patient", "nurse", "doctor", "man", "woman", "child", "boy", "girl")
    for end in (".", " and asthma.", ", not asthma.")
]
# 高血压 stands beside many different characters; 血压 only inside it.
CHINESE = [
    f"{before}高血压{after}"
    for before in ("我有", "他无", "治疗", "患者", "预防", "老年")
    for after in ("吗", "的人", "很多", "可怕")
]


def test_words_carry_their_blank_and_ideograph_words_their_neighbours() -> None:
    found = {c.text: c.frequency for c in find_candidates(ENGLISH + CHINESE, min_frequency=8, max_words=1)}
    assert found[" hypertension"] == 24
    assert found["高血压"] == 24
    # Fragments of a word always meet the same neighbour; single characters are candidates of their own.
    assert "血压" not in found and "高血" not in found
    assert found["血"] == 24


def test_phrases_are_found_up_to_a_length() -> None:
    texts = [f"{who} shows high pressure of the lungs." for who in ("He", "She", "Nobody")] * 8
    short = {c.text for c in find_candidates(texts, min_frequency=20, max_words=1)}
    longer = {c.text for c in find_candidates(texts, min_frequency=20, max_words=2)}
    # Those that begin or end with a word of grammar, such as `of the`, are none.
    assert longer - short == {" shows high", " high pressure"}


def test_a_term_inside_a_chosen_one_is_chosen_only_where_it_is_used() -> None:
    tokenizer = make_chat_tokenizer()
    texts = CHINESE + ["血压计", "血压低"] * 6 + ["今天天气很好，我们出去玩"] * 7
    chosen = {t.text: t for t in choose_terms(tokenizer, texts, max_terms=40, min_frequency=8)}
    assert chosen["高血压"].frequency == 24
    # 血 alone would be counted 36 times; all its uses are taken by longer tokens.
    assert chosen.get("血") is None or chosen["血"].frequency <= 12
    assert all(t.frequency >= 8 and t.num_pieces > 1 for t in chosen.values())
    uses = count_uses(extend_tokenizer(tokenizer, list(chosen)), texts)
    assert uses == {t.text: t.frequency for t in chosen.values()}


def test_the_best_saving_comes_first_and_the_number_is_bounded() -> None:
    terms = choose_terms(make_chat_tokenizer(), ENGLISH, max_terms=2, min_frequency=8)
    assert terms[0].text == " hypertension"
    assert len(terms) <= 2
    assert [t.saved for t in terms] == sorted((t.saved for t in terms), reverse=True)


def test_fertility_counts_words_characters_and_tokens() -> None:
    tokenizer = make_chat_tokenizer()
    extended = extend_tokenizer(tokenizer, ["高血压"]).tokenizer
    before, after = (measure_fertility(t, ["高血压 ok"]) for t in (tokenizer, extended))
    assert (before.words, before.characters) == (4, 6)
    assert before.tokens == len(plain_ids(tokenizer, "高血压 ok"))
    assert after.tokens == before.tokens - len(plain_ids(tokenizer, "高血压")) + 1
    assert after.per_word == after.tokens / 4


def test_what_becomes_no_token_is_told_with_its_reason() -> None:
    tokenizer = make_chat_tokenizer()
    one = tokenizer.decode([next(i for t, i in tokenizer.get_vocab().items() if t == "The")])
    extension = extend_tokenizer(tokenizer, [one, "a<|im_end|>b", "café", "  ", "天气", "天气"])
    assert extension.skipped == {
        "already_one_token": [one],
        "holds_special_token": ["a<|im_end|>b"],
        "not_reversible": ["café"],
        "empty": ["  "],
    }
    assert extension.added == ["天气"]
    (number,) = extension.sources
    assert extension.sources[number] == plain_ids(tokenizer, "天气")
    assert tokenizer.convert_tokens_to_ids("天气") != number  # the base's tokenizer is as it was


def test_a_character_that_byte_level_tokenizers_break_is_why_such_terms_are_refused() -> None:
    tokenizer = make_chat_tokenizer()
    tokenizer.add_tokens(["café"])
    assert tokenizer.decode(tokenizer("café")["input_ids"]) != "café"


@pytest.mark.parametrize(
    "text", ["The patient has hypertension.", "我有高血压吗", "hypertension hypertensions"]
)
def test_texts_come_back_as_they_were(text: str) -> None:
    extended = extend_tokenizer(make_chat_tokenizer(), [" hypertension", "hypertension", "高血压"]).tokenizer
    assert extended.decode(extended(text)["input_ids"]) == text


def test_special_marks_become_one_special_token_whose_pieces_are_their_words() -> None:
    tokenizer = make_chat_tokenizer()
    extension = extend_tokenizer(tokenizer, [], ["<|doctor|>"])
    (number,) = extension.sources
    assert extension.tokenizer("<|doctor|>hi")["input_ids"][0] == number
    assert extension.tokenizer.added_tokens_decoder[number].special
    assert extension.sources[number] == plain_ids(tokenizer, "doctor")


def test_listed_terms_are_added_in_the_forms_that_the_rows_use() -> None:
    tokenizer = make_chat_tokenizer()
    extension = used_terms(tokenizer, ["hypertension", "asthma", "dialysis", "The"], [], ENGLISH)
    assert extension.added == [" hypertension", " asthma"]
    assert extension.skipped["not_in_the_training_rows"] == ["dialysis"]


def test_a_new_tokenizer_keeps_special_tokens_and_names_old_pieces() -> None:
    tokenizer = make_chat_tokenizer()
    extension = retrain_tokenizer(tokenizer, ENGLISH * 5, 330)
    new, old = extension.tokenizer.get_vocab(), tokenizer.get_vocab()
    assert set(extension.sources) == set(new.values())
    for mark in ("<pad>", "<|im_start|>", "<|im_end|>"):
        assert extension.sources[new[mark]] == [old[mark]]
    token = next(t for t in extension.added if "hypertension" in t)
    pieces = tokenizer.convert_ids_to_tokens(extension.sources[new[token]])
    assert "".join(pieces) == token and len(pieces) > 1
    assert (
        measure_fertility(extension.tokenizer, ENGLISH).tokens < measure_fertility(tokenizer, ENGLISH).tokens
    )


def test_a_tokenizer_that_drops_blanks_and_case_gets_bare_terms() -> None:
    backend = Tokenizer(models.WordPiece({"[UNK]": 0, "a": 1, "##b": 2, "##c": 3, "d": 4}, unk_token="[UNK]"))
    backend.normalizer = normalizers.Lowercase()
    backend.pre_tokenizer = pre_tokenizers.Whitespace()
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=backend, unk_token="[UNK]", pad_token="[UNK]")
    assert not keeps_blanks(tokenizer)
    extension = used_terms(tokenizer, ["abc"], [], ["d ABC d"])
    assert extension.added == ["abc"]
    assert extension.tokenizer("d ABC d")["input_ids"] == [4, 5, 4]


def test_term_files_are_written_and_read(tmp_path: Path) -> None:
    path = tmp_path / "terms.txt"
    write_terms(path, [" hypertension", "hypertension", "高血压"])
    assert path.read_text(encoding="utf-8") == "hypertension\n高血压\n"
    path.write_text("# a list\n\nhypertension\n", encoding="utf-8")
    assert read_terms(path) == ["hypertension"]
    path.write_text("\n", encoding="utf-8")
    with pytest.raises(DataError, match="no term"):
        read_terms(path)
    with pytest.raises(DataError, match="cannot be read"):
        read_terms(tmp_path / "absent.txt")
