"""Templates write what is there, and refuse what is missing, empty or no text."""

from __future__ import annotations

import pytest

from luthier.core.errors import DataError, RecipeError
from luthier.prompts.templates import Template, TextList


@pytest.mark.parametrize(
    ("text", "fields", "written"),
    [
        ("Q: {{ q }}\n", {"q": "why"}, "Q: why"),
        ("{{ a[0].text }}", {"a": [{"text": "308"}]}, "308"),
        ("{{ label | words }}", {"label": "card_not_working"}, "card not working"),
        ("{{ a | after('####') }}", {"a": "2+2\n#### 4"}, "4"),
        ("{{ c }} / {{ c | join(';') }}", {"c": TextList(["a", "b"])}, "a, b / a;b"),
        ("{% if n > 1 %}many{% endif %}{{ n }}", {"n": 3}, "many3"),
        ("{{ q | default('none') }}", {}, "none"),
        ("问：{{ q }}", {"q": "为什么？"}, "问：为什么？"),
    ],
)
def test_written(text: str, fields: dict[str, object], written: str) -> None:
    assert Template(text, "p.yaml: template").render(fields, "row 1") == written


@pytest.mark.parametrize(
    ("text", "fields", "told"),
    [
        ("{{ q }}", {"x": 1}, "no field 'q'"),
        ("{{ q }}", {"q": None}, "empty (null)"),
        ("{{ q }}", {"q": ["a"]}, "is a list"),
        ("{{ q }}", {"q": {"a": 1}}, "is an object"),
        ("{{ q.b }}", {"q": {"a": 1}}, "no attribute 'b'"),
        ("{{ q[3] }}", {"q": ["a"]}, "no element 3"),
        ("{{ q | after('#') }}", {"q": "x"}, "does not stand"),
        ("{{ q.__class__ }}", {"q": "x"}, "unsafe"),
    ],
)
def test_fault_of_a_row_names_row_and_place(text: str, fields: dict[str, object], told: str) -> None:
    with pytest.raises(DataError) as error:
        Template(text, "p.yaml: template").render(fields, "eval.jsonl, row 17")
    assert told in error.value.problem
    assert error.value.where == "eval.jsonl, row 17"
    assert "p.yaml: template" in str(error.value.cure)


def test_broken_template_names_its_line() -> None:
    with pytest.raises(RecipeError, match="line 2 of the text"):
        Template("a\n{{ q ", "p.yaml: template")


@pytest.mark.parametrize(
    ("text", "texts"),
    [
        ("{{ a | map(attribute='text') }}", ["308", "three hundred"]),
        ("{{ a[0].text }}", ["308"]),
        ("= {{ a[0].text }}", ["= 308"]),
    ],
)
def test_an_expression_may_give_several_texts(text: str, texts: list[str]) -> None:
    fields = {"a": [{"text": "308"}, {"text": "three hundred"}]}
    assert Template(text, "p").texts(fields, "row 1") == texts


def test_an_empty_list_of_answers_is_refused() -> None:
    with pytest.raises(DataError, match="gives no text"):
        Template("{{ a }}", "p").texts({"a": []}, "row 1")
