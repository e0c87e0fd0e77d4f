"""Rows become turns: variables, examples, reasoning, choices; and what does not fit is refused."""

from __future__ import annotations

from pathlib import Path

import pytest

from luthier.core.errors import DataError, RecipeError
from tests.prompts.making import prompt_of, rows_of

ROWS = rows_of({"q": "aab", "a": "x"}, {"q": "bbc", "a": "y"})
EXAMPLES = """
examples:
  rows: [{q: aabb, a: x}, {q: ccd, a: y}, {q: jjj, a: z}]
  select: similar
  count: 2
  template: "Q: {{ q }} A: {{ example_answer }}"
"""


def test_text_with_examples_best_last(tmp_path: Path) -> None:
    prompt = prompt_of(
        "system: Answer {{ tone }}.\nvalues: {tone: briefly}\ntemplate: '{{ examples }}|Q: {{ q }}'\n"
        f"answer: '{{{{ a }}}}'{EXAMPLES}  separator: ' / '",
        ROWS,
        tmp_path,
    )
    rendered = prompt.render(ROWS[1])
    assert [turn.content for turn in rendered.messages] == [
        "Answer briefly.",
        "Q: ccd A: y / Q: aabb A: x|Q: bbc",
    ]
    assert rendered.references == ("y",)


def test_examples_as_turns(tmp_path: Path) -> None:
    text = EXAMPLES.replace('template: "Q: {{ q }} A: {{ example_answer }}"', "written_as: turns")
    prompt = prompt_of(f"template: 'Q: {{{{ q }}}}'\nanswer: '{{{{ a }}}}'{text}", ROWS, tmp_path)
    turns = prompt.render(ROWS[0]).messages
    assert [(turn.role, turn.content) for turn in turns] == [
        ("user", "Q: ccd"),
        ("assistant", "y"),
        ("user", "Q: aabb"),
        ("assistant", "x"),
        ("user", "Q: aab"),
    ]


def test_reasoning_is_shown_in_examples(tmp_path: Path) -> None:
    rows = rows_of({"q": "2+2", "a": "two and two\n#### 4"})
    prompt = prompt_of(
        """
template: "{{ examples }}\\n{{ q }} {{ reasoning }}"
answer: "{{ a | after('####') }}"
reasoning: {instruction: "Think, then write #### and the number."}
extract: {after: "####", last_number: true}
examples:
  rows: [{q: "1+1,000", a: "one more\\n#### 1,001"}]
  select: fixed
  template: "{{ q }} {{ reasoning }} {{ example_answer }}"
  answer: "{{ a }}"
""",
        rows,
        tmp_path,
    )
    rendered = prompt.render(rows[0])
    think = "Think, then write #### and the number."
    assert rendered.text == f"1+1,000 {think} one more\n#### 1,001\n2+2 {think}"
    assert rendered.references == ("4",)


def test_choices_of_a_file_of_the_prompt_and_of_the_row(tmp_path: Path) -> None:
    (tmp_path / "train.csv").write_text("t,label\n1,b_c\n2,a\n3,b_c\n", encoding="utf-8")
    rows = rows_of({"q": "?", "label": "b_c", "options": ["b c", "d"]})
    start = "template: '{{ q }} {{ choices }}'\nanswer: '{{ label | words }}'\n"
    for text, choices in (
        ("choices_from: {file: train.csv, text: '{{ label | words }}'}", ("a", "b c")),
        ("choices: [b c, z]", ("b c", "z")),
        ("choices_in_row: '{{ options }}'", ("b c", "d")),
    ):
        rendered = prompt_of(start + text, rows, tmp_path).render(rows[0])
        assert rendered.choices == choices
        assert rendered.text == f"? {', '.join(choices)}"


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("template: '{{ qu }}'", ["unknown variable 'qu'", "did you mean", "template"]),
        ("template: '{{ q }}'\nanswer: '{{ lab }}'", ["answer: unknown variable 'lab'"]),
        ("template: '{{ q }}'\nvalues: {v: x}", ["values.v: is used by no text"]),
        ("template: '{{ q }}'\nvalues: {q: x}", ["values.q", "also a field"]),
        ("template: '{{ q }} {{ examples }}'", ["nothing fills the slot examples"]),
        ("template: '{{ q }} {{ reasoning }}'", ["nothing fills the slot reasoning"]),
        (
            "template: '{{ q }}'\nreasoning: {instruction: t}\nextract: {after: x}",
            ["reasoning: is used by no text"],
        ),
        (f"template: '{{{{ q }}}}'\nanswer: '{{{{ a }}}}'{EXAMPLES}", ["examples: is used by no text"]),
        (
            f"template: '{{{{ q }}}} {{{{ examples }}}}'{EXAMPLES}",
            ["answer: is required, since examples show it"],
        ),
    ],
)
def test_variables_that_do_not_fit(tmp_path: Path, text: str, told: list[str]) -> None:
    with pytest.raises(RecipeError) as error:
        prompt_of(text, ROWS, tmp_path)
    for words in told:
        assert words in str(error.value)


def test_slot_that_is_also_a_field(tmp_path: Path) -> None:
    rows = rows_of({"q": "?", "choices": "x"})
    with pytest.raises(RecipeError, match="the rows have a field choices, too"):
        prompt_of("template: '{{ q }} {{ choices }}'\nchoices: [a, b]", rows, tmp_path)


def test_examples_and_choices_may_have_fields_of_their_own(tmp_path: Path) -> None:
    (tmp_path / "labels.csv").write_text("name\nx\ny\n", encoding="utf-8")
    text = EXAMPLES.replace("a: x}", "a: x, why: first}").replace("a: y}", "a: y, why: second}")
    text = text.replace("a: z}", "a: z, why: third}") + "  answer: '{{ why }}, so {{ a }}'\n"
    choices = "choices_from: {file: labels.csv, text: '{{ name }}'}\n"
    prompt = prompt_of(
        f"template: '{{{{ examples }}}}|{{{{ q }}}}'\nanswer: '{{{{ a }}}}'\n{choices}{text}", ROWS, tmp_path
    )
    assert "Q: aabb A: first, so x|bbc" in prompt.render(ROWS[1]).text
    assert prompt.render(ROWS[1]).choices == ("x", "y")
    with pytest.raises(
        RecipeError, match=r"examples\.answer: unknown variable 'wy'(.|\n)*did you mean `why`"
    ):
        prompt_of(
            f"template: '{{{{ examples }}}}|{{{{ q }}}}'\nanswer: '{{{{ a }}}}'{text.replace('{{ why', '{{ wy')}",
            ROWS,
            tmp_path,
        )


def test_missing_field_names_the_row(tmp_path: Path) -> None:
    rows = rows_of({"q": "a", "a": "x"}, {"a": "y"})
    prompt = prompt_of("template: '{{ q }}'", rows, tmp_path)
    with pytest.raises(DataError, match=r"eval\.jsonl, row 2: has no field 'q'"):
        prompt.render(rows[1])


def test_answer_that_is_no_choice(tmp_path: Path) -> None:
    prompt = prompt_of("template: '{{ q }}'\nanswer: '{{ a }}'\nchoices: [xx, z]", ROWS, tmp_path)
    with pytest.raises(DataError, match=r"answer 'x' is none of the choices(.|\n)*nearest is 'xx'"):
        prompt.render(ROWS[0])


def test_pool_row_that_lacks_its_answer(tmp_path: Path) -> None:
    text = EXAMPLES.replace("{q: ccd, a: y}", "{q: ccd, b: y}")
    prompt = prompt_of(
        f"template: '{{{{ examples }}}} {{{{ q }}}}'\nanswer: '{{{{ a }}}}'{text}", ROWS, tmp_path
    )
    with pytest.raises(DataError, match=r"examples\.rows, row 2: has no field 'a'"):
        prompt.render(ROWS[1])


def test_fewer_examples_are_the_best(tmp_path: Path) -> None:
    prompt = prompt_of(
        f"template: '{{{{ examples }}}}|{{{{ q }}}}'\nanswer: '{{{{ a }}}}'{EXAMPLES}", ROWS, tmp_path
    )
    whole = prompt.render(ROWS[1])
    assert prompt.with_fewer(whole, 1).text == "Q: aabb A: x|bbc"
    assert prompt.with_fewer(whole, 0).text == "|bbc"
