"""Groups in the rows: told where they are missing, too small or of one class; gates fail where nothing is known."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from luthier.core.errors import DataError
from luthier.evaluate.examination import Examined, Figure
from luthier.evaluate.fairness.check import FairnessExamination
from luthier.recipe.evaluate_sections.fairness import FairnessSection
from tests.evaluate.fairness.subjects import classifier_subject


def examine(subject: Any, **keys: Any) -> Examined:
    section = FairnessSection.model_validate({"groups": ["sex"], "positive": "good", **keys})
    found = FairnessExamination(section).examine(subject)
    assert {figure.name for figure in found.figures} <= set(section.figure_names)
    return found


def figure(found: Examined, name: str) -> Figure:
    return next(figure for figure in found.figures if figure.name == f"fairness.{name}")


def rows_of(number: int, *groups: str) -> list[dict[str, str]]:
    return [
        {"sex": group, "region": "north" if n % 2 else "south"} for group in groups for n in range(number)
    ]


def alternating(number: int) -> list[int]:
    return [n % 2 for n in range(number)]


def test_a_fair_classifier_and_one_that_says_good_of_men_only() -> None:
    attributes, true = rows_of(100, "woman", "man"), [*alternating(100), *alternating(100)]
    fair = examine(classifier_subject(true, true, attributes))
    assert not any(finding.is_bad for finding in fair.findings)
    equal = figure(fair, "sex.equal_opportunity_difference").value
    assert equal is not None and equal.value == 0.0 and equal.high < 0.1
    unfair = examine(classifier_subject(true, [0] * 100 + true[100:], attributes))
    apart = figure(unfair, "sex.equal_opportunity_difference").value
    assert apart is not None and apart.value == 1.0 and apart.low > 0.9
    told = next(f for f in unfair.findings if f.is_bad and "Equal opportunity" in f.text)
    assert "'man' (highest) and 'woman' (lowest)" in told.text and told.cure
    ratio = figure(unfair, "sex.demographic_parity_ratio").value
    assert ratio is not None and ratio.value == 0.0
    assert [table.title for table in unfair.tables] == ["Rates by sex"]
    assert (
        unfair.details["sex"][1]["group"] == "woman" and unfair.details["sex"][1]["selection_rate"][0] == 0.0
    )
    assert all(picture.svg.startswith("<svg") for picture in unfair.pictures)


@pytest.mark.parametrize("always", [0, 1])
def test_a_classifier_that_decides_nothing_is_told(always: int) -> None:
    """Its rates are equal, which a gate on them alone would take for fair."""
    attributes, true = rows_of(100, "woman", "man"), [*alternating(100), *alternating(100)]
    found = examine(classifier_subject(true, [always] * 200, attributes))
    parity = figure(found, "sex.demographic_parity_difference").value
    assert parity is not None and parity.value == 0.0
    (told,) = [finding for finding in found.findings if finding.is_bad and "equal rates" in finding.text]
    assert ("not to be 'good'" in told.text) == (always == 0)


def test_compared_with_all_rows() -> None:
    attributes, true = rows_of(100, "woman", "man"), [1] * 200
    said = [0] * 50 + [1] * 150
    found = examine(classifier_subject(true, said, attributes), compare_with="overall")
    value = figure(found, "sex.demographic_parity_difference").value
    assert value is not None and value.value == pytest.approx(0.25)
    assert any("from that of all rows together" in finding.text for finding in found.findings)


def test_a_small_group_leaves_everything_undefined_or_is_left_out() -> None:
    attributes = [*rows_of(50, "woman", "man"), *rows_of(5, "other")]
    true = alternating(105)
    strict = examine(classifier_subject(true, true, attributes))
    for one in strict.figures:
        assert one.value is None and "group 'other' has 5 rows, at least 30 needed" in one.why_undefined
    assert any("'other' has 5 held-out rows" in finding.text and finding.cure for finding in strict.findings)
    loose = examine(classifier_subject(true, true, attributes), small_groups="leave_out")
    assert figure(loose, "sex.accuracy_difference").value is not None
    assert any("left out of every comparison" in finding.text for finding in loose.findings)
    lower = examine(classifier_subject(true, true, attributes), min_group_rows=5)
    assert figure(lower, "sex.accuracy_difference").value is not None


def test_a_group_without_rows_is_known_from_training_or_from_the_recipe() -> None:
    attributes, true = rows_of(50, "woman", "man"), alternating(100)
    subject = classifier_subject(true, true, attributes, trained=[{"sex": "other"}])
    found = examine(subject)
    assert figure(found, "sex.accuracy_difference").value is None
    assert any("'other' has no held-out row" in finding.text for finding in found.findings)
    named = examine(classifier_subject(true, true, attributes), expected={"sex": ["woman", "man", "diverse"]})
    assert any("'diverse' has no held-out row" in finding.text for finding in named.findings)
    others = examine(subject, expected={"sex": ["woman", "man"]})
    assert figure(others, "sex.accuracy_difference").value is not None


def test_values_that_are_not_expected_and_rows_without_the_field_are_told() -> None:
    attributes = [*rows_of(50, "woman", "man"), *rows_of(4, "n/a"), {}, {}]
    true = alternating(106)
    found = examine(classifier_subject(true, true, attributes), expected={"sex": ["woman", "man"]})
    texts = [finding.text for finding in found.findings if finding.is_bad]
    assert any("2 held-out rows without sex" in text for text in texts)
    assert any("4 held-out rows of other values" in text for text in texts)


def test_a_group_of_a_single_class() -> None:
    attributes = rows_of(50, "woman", "man")
    true = [0] * 50 + alternating(50)
    found = examine(classifier_subject(true, true, attributes))
    undefined = figure(found, "sex.equalized_odds_difference")
    assert undefined.value is None and undefined.why_undefined == "group 'woman' has no rows of class 'good'"
    assert figure(found, "sex.demographic_parity_difference").value is not None


def test_intersections_find_what_each_field_hides() -> None:
    """Each sex and each region is served alike; women of the north and men of the south never are."""
    attributes = rows_of(200, "woman", "man")
    said = [int((own["sex"] == "woman") == (own["region"] == "south")) for own in attributes]
    keys = {"groups": ["sex", "region"], "intersections": True}
    found = examine(classifier_subject([1] * 400, said, attributes), **keys)
    for name in ("sex", "region"):
        value = figure(found, f"{name}.demographic_parity_difference").value
        assert value is not None and value.low == 0.0 and value.value < 0.01
    both = figure(found, "sex+region.demographic_parity_difference").value
    assert both is not None and both.low > 0.9
    assert any("man × north" in finding.text for finding in found.findings)


def test_faults_of_the_rows_and_the_recipe() -> None:
    attributes, true = rows_of(50, "woman", "man"), alternating(100)
    subject = classifier_subject(true, true, attributes)
    with pytest.raises(
        DataError, match="(?s)no held-out row has the field 'age'.*attributes: \\[age\\].*region, sex"
    ):
        examine(subject, groups=["age"])
    with pytest.raises(DataError, match="(?s)'nice' is no class.*bad, good"):
        examine(subject, positive="nice")
    with pytest.raises(DataError, match="which class the rates are of is not said"):
        examine(subject, positive=None)
    with pytest.raises(DataError, match="all rows are of one group by sex: woman"):
        examine(classifier_subject(true[:50], true[:50], rows_of(50, "woman")))


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        ({}, "asks for nothing"),
        ({"swaps": ["gender_en"], "positive": "x"}, "positive has no effect without groups"),
        ({"groups": ["a"], "swap_rows": 5}, "swap_rows has no effect without swaps"),
        ({"groups": ["a"], "max_items": 5}, "max_items has no effect without crows_pairs"),
        ({"groups": ["a"], "intersections": True}, "needs two fields"),
        ({"groups": ["a", "a"]}, "names 'a' twice"),
        ({"groups": ["a"], "expected": {"b": ["x", "y"]}}, "none of groups"),
        ({"swap_words": [["he", "he"]]}, "not two different words"),
    ],
)
def test_keys_that_take_no_effect_are_refused(keys: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        FairnessSection.model_validate(keys)


def test_random_decisions_prove_no_difference_more_often_than_promised() -> None:
    generator = np.random.default_rng(8)
    proved = 0
    for _ in range(100):
        said = generator.integers(0, 2, 200).tolist()
        found = examine(classifier_subject(alternating(200), said, rows_of(100, "woman", "man")))
        value = figure(found, "sex.demographic_parity_difference").value
        assert value is not None
        proved += value.low > 0
    assert proved <= 10
