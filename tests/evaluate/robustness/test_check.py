"""The examination on a model that is known by heart: figures, findings, examples, and input that cannot be attacked."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest
import torch

from luthier.core.errors import DataError
from luthier.data.augment.language import is_chinese
from luthier.data.sample import Message, Sample
from luthier.data.template import ChatTemplate
from luthier.evaluate.examination import Examined, HeldOut, Subject
from luthier.evaluate.robustness import check
from luthier.evaluate.robustness.check import RobustnessExamination
from luthier.evaluate.robustness.phrases import INJECTIONS, IRRELEVANT
from luthier.evaluate.robustness.proposals import joined
from luthier.evaluate.statistics import Resampling
from luthier.recipe.evaluate_sections.robustness import RobustnessSection
from tests.evaluate.robustness.linear import LinearObjective, WordTokenizer, make_victim, row
from tests.models.tiny_chat import make_chat_llama, make_chat_tokenizer

HOW = Resampling(200, 0.95, 0)
GOOD = [row(f"so good film {'very ' * n}", "positive", n) for n in range(1, 21)]
BAD = [row(f"very bad film {'so ' * n}", "negative", 20 + n) for n in range(1, 21)]


@pytest.fixture(autouse=True)
def linear(monkeypatch: pytest.MonkeyPatch) -> None:
    """The tests' objective stands for a classification."""
    monkeypatch.setattr(check, "Classification", LinearObjective)


def _subject(samples: Sequence[Sample], model: Any = None, base: Any = None, **more: Any) -> Subject:
    told = {
        "load": lambda: model or make_victim().model,
        "load_base": None if base is None else lambda: base,
        "objective": LinearObjective(),
        "tokenizer": WordTokenizer(),
        "template": None,
        "held_out": HeldOut((), samples),
        "trained": None,
        "history": (),
        "dtype": torch.float32,
        "how": HOW,
    }
    return Subject(**{**told, **more})


def _examined(samples: Sequence[Sample], *, subject: Subject | None = None, **keys: Any) -> Examined:
    section = RobustnessSection(**keys)
    found = RobustnessExamination(section).examine(subject or _subject(samples))
    assert [figure.name for figure in found.figures] == list(section.figure_names)
    return found


def _figure(found: Examined, name: str) -> Any:
    return next(figure for figure in found.figures if figure.name == f"robustness.{name}")


def test_rows_that_were_wrong_are_not_attacked_and_count_in_the_accuracy() -> None:
    """The tests' tokenizer reads unknown words as one that decides nothing: a mistyped "good" is lost."""
    wrong = [row("bad film", "positive", 90 + n) for n in range(10)]
    found = _examined([*GOOD, *BAD, *wrong], attacks=["typing"], num_rows=50)
    clean, rate = _figure(found, "clean_accuracy"), _figure(found, "typing.success_rate")
    assert clean.value.value == 0.8 and clean.num_rows == 50
    assert rate.num_rows == 40
    left = _figure(found, "typing.accuracy").value.value
    assert left == pytest.approx(0.8 * (1 - rate.value.value))
    assert rate.value.value > 0 and rate.value.low <= rate.value.value <= rate.value.high
    counts = found.details["attacks"]["typing"]
    assert counts["rows_broken"] == len(counts["queries_to_break"]) == round(40 * rate.value.value)
    assert _figure(found, "success_rate").value == rate.value, "the only attack by text is any attack by text"


def test_a_budget_certifies_the_rows_that_no_query_within_it_broke() -> None:
    found = _examined([*GOOD, *BAD], attacks=["typing"], num_rows=40, queries=8)
    table = next(table for table in found.tables if table.title.startswith("Accuracy that holds"))
    needed = found.details["attacks"]["typing"]["queries_to_break"]
    assert table.columns[2:] == ("1 query", "2 queries", "4 queries", "8 queries")
    shown = [cell.partition(" ")[0] for cell in table.rows[0][1:]]
    left = [40 - sum(queries <= budget for queries in needed) for budget in (0, 1, 2, 4, 8)]
    assert shown == [f"{count / 40:.1%}" for count in left] and left[-1] < left[0]


def test_no_broken_row_is_no_proof_that_none_breaks() -> None:
    """Resampling 5 unbroken rows finds 0 each time; Wilson's interval of 0 in 5 reaches to 43 %."""
    samples = [row("film film film", "negative", n) for n in range(1, 6)]
    sure = make_victim(bias=(50.0, 0.0)).model
    found = _examined(samples, subject=_subject(samples, sure), attacks=["word_order", "irrelevant"])
    rate = _figure(found, "success_rate")
    assert rate.value.value == 0.0
    assert rate.value.high == pytest.approx(0.4345, abs=1e-3)
    finding = next(finding for finding in found.findings if finding.text.startswith("Irrelevant"))
    assert "5 rows cannot rule out" in finding.evidence and not finding.is_bad


def test_base_and_tuned_are_attacked_on_the_same_rows() -> None:
    samples = [*GOOD, *BAD]
    sure = make_victim(bias=(0.0, 0.0)).model
    sure.head.weight.data *= -1  # the base says the opposite of everything
    found = _examined(samples, subject=_subject(samples, base=sure), attacks=["typing"])
    clean = _figure(found, "clean_accuracy")
    assert clean.base.value == 0.0 and clean.value.value == 1.0
    assert _figure(found, "typing.success_rate").base is None, "the base had no row right"
    same = _examined(samples, subject=_subject(samples, base=make_victim().model), attacks=["typing"])
    rate = _figure(same, "typing.success_rate")
    assert rate.base == rate.value
    assert rate.improvement.value == 0.0


def test_intervals_of_shares_stay_within_0_and_1() -> None:
    """Of eight rows, intervals are expanded so far that they passed 1, and one began at minus infinity."""
    samples = [*GOOD[:4], *BAD[:4]]
    found = _examined(samples, subject=_subject(samples, base=make_victim().model), attacks=["typing"])
    for figure in found.figures:
        for interval in (figure.value, figure.base):
            assert interval is None or 0.0 <= interval.low <= interval.value <= interval.high <= 1.0


def test_no_row_right_leaves_attacks_undefined_and_says_so() -> None:
    samples = [row("good film", "negative", n) for n in range(1, 6)]
    found = _examined(samples, attacks=["typing", "fgsm"])
    assert _figure(found, "clean_accuracy").value.value == 0.0
    for name in ("success_rate", "typing.success_rate", "fgsm.success_rate"):
        assert _figure(found, name).value is None
        assert _figure(found, name).why_undefined == "no row was right before the attack"
    assert found.findings[0].is_bad and "No row was right" in found.findings[0].text


def test_one_class_is_told() -> None:
    found = _examined(GOOD, attacks=["typing"])
    assert any("same answer, positive" in finding.text and finding.is_bad for finding in found.findings)


def test_an_attack_that_finds_nothing_to_alter_is_undefined(tmp_path: Any) -> None:
    """Russian has no synonyms here: that nothing broke proves nothing."""
    (tmp_path / "words.txt").write_text("film movie\n", encoding="utf-8")
    samples = [row("хороший", "negative", n) for n in range(1, 6)]
    model = make_victim(bias=(5.0, 0.0)).model
    subject = _subject(samples, model, recipe_folder=tmp_path)
    found = _examined(samples, subject=subject, attacks=["synonyms"], synonym_file="words.txt")
    for name in ("synonyms.success_rate", "synonyms.accuracy", "success_rate", "attacked_accuracy"):
        assert _figure(found, name).value is None
        assert "nothing to alter" in _figure(found, name).why_undefined
    assert any(
        finding.text.startswith("Synonyms: not known") and finding.is_bad for finding in found.findings
    )
    english = [row("film film", "negative", n) for n in range(1, 3)]
    subject = _subject([*samples, *english], model, recipe_folder=tmp_path)
    mixed = _examined([], subject=subject, attacks=["synonyms"], synonym_file="words.txt")
    assert _figure(mixed, "synonyms.success_rate").num_rows == 2
    assert any("5 of 7 could not be altered" in finding.text for finding in mixed.findings)


def test_gradient_attacks_are_counted_by_answers_and_gradients() -> None:
    found = _examined(
        [*GOOD, *BAD], attacks=["fgsm", "pgd", "hotflip"], epsilon=0.5, pgd_steps=4, norm="linf"
    )
    once, often = (_figure(found, f"{name}.success_rate").value.value for name in ("fgsm", "pgd"))
    assert often >= once
    counts = found.details["attacks"]
    assert counts["fgsm"]["queries"] == 2 * 40
    assert counts["pgd"]["queries"] == sum(counts["pgd"]["queries_to_break"]) + 8 * (
        40 - counts["pgd"]["rows_broken"]
    )
    assert counts["pgd"]["largest_change_by_radius"] <= 1 + 1e-5
    assert not counts["hotflip"]["is_by_text"]


def test_twice_the_same() -> None:
    keys: dict[str, Any] = {"attacks": ["typing", "word_order", "injection", "hotflip"], "queries": 12}
    assert _examined([*GOOD, *BAD], **keys) == _examined([*GOOD, *BAD], **keys)


def test_pictures_and_tables_show_every_attack() -> None:
    found = _examined([*GOOD, *BAD], attacks=["typing", "pgd"], epsilon=0.9)
    assert [picture.title for picture in found.pictures] == [
        "Share of right rows that attacks break",
        "Typing: success over queries",
        "PGD: success over queries",
    ]
    assert all(picture.svg.startswith("<svg") for picture in found.pictures)
    attacks, budgets, examples, changes = found.tables
    assert [line[0] for line in budgets.rows] == ["typing"], "pgd has steps, no queries"
    assert [line[0] for line in attacks.rows] == ["typing", "pgd"]
    assert examples.rows and all(line[1] != line[2] and line[3] != line[4] for line in examples.rows)
    assert "one typing error" in [line[0] for line in changes.rows]


def test_stability_counts_changes_that_nobody_searched_for() -> None:
    found = _examined([*GOOD, *BAD], attacks=[])
    assert [figure.name for figure in found.figures] == ["robustness.clean_accuracy", "robustness.stability"]
    table = found.tables[-1]
    shares = {line[0]: (line[1], line[2]) for line in table.rows}
    assert shares["lower case"] == (0, 0), "they are in lower case already"
    assert shares["greeting"][0] == 40
    names = ("end mark", "greeting", "thanks", "one typing error")
    expected = sum(shares[name][1] for name in names) / 160
    assert _figure(found, "stability").value.value == pytest.approx(expected)


def test_a_model_that_ignores_texts_is_stable_and_unbroken() -> None:
    samples = [row(f"good film {n}", "negative", n) for n in range(1, 41)]
    deaf = make_victim(bias=(9.0, 0.0)).model
    found = _examined(samples, subject=_subject(samples, deaf), attacks=["typing", "injection", "word_order"])
    assert _figure(found, "stability").value.value == 1.0
    assert _figure(found, "success_rate").value.value == 0.0


@pytest.mark.parametrize(
    ("more", "keys", "problem"),
    [
        ({"objective": object()}, {}, "for classifiers and chat models"),
        ({"held_out": HeldOut((), ())}, {}, "no held-out rows"),
    ],
)
def test_what_cannot_be_attacked_is_refused(more: Any, keys: Any, problem: str) -> None:
    if "objective" in more:
        more = {"objective": type("Tagging", (), {"head": "a head"})()}
    with pytest.raises(DataError, match=problem):
        _examined(GOOD, subject=_subject(GOOD, **more), **keys)


def test_rows_that_cannot_be_read_are_left_out() -> None:
    found = _examined([*GOOD, row(" ", "positive", 99)], attacks=["typing"])
    assert _figure(found, "clean_accuracy").num_rows == 20
    with pytest.raises(DataError, match="none of the 1 held-out rows"):
        _examined([row(" ", "positive", 99)], attacks=["typing"])


class TestChat:
    """A chat model is asked which of several answers belongs to a prompt."""

    ANIMALS = ("fox", "dog", "cat", "cow", "hen", "bat")

    def _samples(self, answer: str | None = None) -> list[Sample]:
        return [
            Sample(
                "a",
                n,
                messages=(
                    Message("user", f"What is the {animal}?"),
                    Message("assistant", answer or f"It is the {animal}."),
                ),
            )
            for n, animal in enumerate(self.ANIMALS, 1)
        ]

    def _chat(self, samples: Sequence[Sample]) -> Subject:
        tokenizer = make_chat_tokenizer()
        plain: Any = type("LanguageModeling", (), {"head": None})()
        return _subject(
            samples,
            make_chat_llama(initializer_range=0.05).eval(),
            base=make_chat_llama(seed=1, initializer_range=0.05).eval(),
            objective=plain,
            tokenizer=tokenizer,
            template=ChatTemplate(tokenizer),
        )

    def test_answers_are_chosen_and_broken(self) -> None:
        samples = self._samples()
        found = _examined(samples, subject=self._chat(samples), attacks=["typing", "injection"], queries=8)
        clean = _figure(found, "clean_accuracy")
        assert clean.num_rows == 6 and clean.base is not None

    def test_the_choice_is_that_of_the_mean_log_likelihood_a_token(self) -> None:
        """Computed anew by a plain forward pass over prompt and answer."""
        samples = self._samples()
        subject = self._chat(samples)
        victim: Any = check._victim_of(model := subject.load(), subject)
        assert subject.template is not None
        verdicts = victim.ask(samples)
        for sample, verdict in zip(samples, verdicts, strict=True):
            options = [sample.messages[1].content, *victim.wrong_answers(sample)]
            assert len(set(options)) == 4
            means = []
            for option in options:
                chat = subject.template.encode(
                    (sample.messages[0], Message("assistant", option)), (), "last_turn"
                )
                ids, labels = torch.tensor([chat.input_ids]), torch.tensor(chat.labels)[1:]
                with torch.no_grad():
                    logs = model(input_ids=ids).logits[0, :-1].log_softmax(-1)
                own = labels != -100
                means.append(float(logs[own].gather(1, labels[own][:, None]).mean()))
            assert verdict.said == options[means.index(max(means))]
            assert verdict.is_right == (means.index(max(means)) == 0)
            assert verdict.loss == pytest.approx(max(means[1:]) - means[0], abs=1e-4)

    def test_gradients_are_refused(self) -> None:
        with pytest.raises(DataError, match="gradient attacks are for classifiers"):
            _examined([], subject=self._chat(self._samples()), attacks=["pgd"])

    def test_one_answer_leaves_no_choice(self) -> None:
        with pytest.raises(DataError, match="all 6 held-out rows have the same answer"):
            _examined([], subject=self._chat(self._samples("It is.")), attacks=["typing"])


def test_phrases_are_in_their_language_and_joined_as_it_writes() -> None:
    for table in (IRRELEVANT, INJECTIONS):
        for is_zh, phrases in table.items():
            assert len(set(phrases)) == len(phrases) >= 8
            assert all(is_chinese(phrase.replace("{target}", "")) == is_zh for phrase in phrases)
    assert joined("One.", "Two.") == "One. Two."
    assert joined("天空是蓝的。", "你好") == "天空是蓝的。你好"
