"""Reading a recipe: every fault at once with its place and cure, origins, and no other error for any text."""

from __future__ import annotations

import textwrap
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from luthier.core.errors import Fault, RecipeError
from luthier.recipe.load import LoadedRecipe, load, parse

SMALLEST = """\
name: small
model:
  base: tiny
data:
  train: [{path: rows.jsonl}]
"""


def with_(text: str) -> str:
    return SMALLEST + textwrap.dedent(text)


def faults_of(text: str, overrides: tuple[str, ...] = ()) -> dict[str, Fault]:
    with pytest.raises(RecipeError) as caught:
        parse(text, overrides)
    faults = {fault.path: fault for fault in caught.value.faults}
    assert len(faults) == len(caught.value.faults), f"one path has several faults: {caught.value}"
    return faults


def test_five_faults_are_all_reported_with_path_line_and_cure() -> None:
    text = """\
    name: five
    model:
      base: tiny
      dtyp: float32
    data:
      train:
        - path: rows.jsonl
          limit: 0
      max_lenght: 512
    method:
      name: lora
      rank: 8
    train:
      learning_rate: "fast"
    """
    with pytest.raises(RecipeError) as caught:
        parse(textwrap.dedent(text), source="five.yaml")
    found = {(fault.path, fault.line): fault.cure for fault in caught.value.faults}
    assert set(found) == {
        ("model.dtyp", 4),
        ("data.train[0].limit", 8),
        ("data.max_lenght", 9),
        ("method.rank", 12),
        ("train.learning_rate", 14),
    }
    assert found["model.dtyp", 4] == "did you mean `dtype`?"
    assert found["data.max_lenght", 9] == "did you mean `max_length`?"
    assert "lora_alpha" in str(found["method.rank", 12]), "with no near key, all known keys are listed"
    assert found["train.learning_rate", 14] == "write it without quotes"
    message = str(caught.value)
    assert message.startswith("five.yaml has 5 faults:")
    assert "data.max_lenght (line 9): unknown key" in message


# path of the misspelt key, the recipe's text, the key that is meant
MISSPELT = [
    ("nmae", "nmae: x", "name"),
    ("sead", "sead: 1", "seed"),
    ("gate", "gate: []", "gates"),
    ("regster", "regster: {name: a}", "register"),
    ("objective.loss_one", "objective: {name: sft, loss_one: all}", "loss_on"),
    ("method.lora_alfa", "method: {name: lora, lora_alfa: 3}", "lora_alpha"),
    ("method.trainable_layer", "method: {name: freeze, trainable_layer: 3}", "trainable_layers"),
    ("train.lerning_rate", "train: {lerning_rate: 0.1}", "learning_rate"),
    ("evaluate.num_generation", "evaluate: {num_generation: 0}", "num_generations"),
    ("gates[0].metrik", "gates: [{metric: eval_loss, max: 1, metrik: x}]", "metric"),
    ("gates[1].better_bye", "gates: [{metric: eval_loss}, {metric: eval_loss, better_bye: 1}]", "better_by"),
    ("register.alais", "register: {name: a, alais: b}", "alias"),
]


@pytest.mark.parametrize(("path", "line", "meant"), MISSPELT, ids=lambda value: str(value)[:24])
def test_a_misspelt_key_is_named_with_the_nearest(path: str, line: str, meant: str) -> None:
    faults = faults_of(with_(line + "\n"))
    assert list(faults) == [path]
    assert faults[path].cure == f"did you mean `{meant}`?"
    assert faults[path].line == 6


MISSPELT_IN_DATA = [
    ("data.max_lenght", "{train: [{path: a}], max_lenght: 5}", "max_length"),
    ("data.train[0].pth", "{train: [{path: a, pth: b}]}", "path"),
    ("data.train[1].schemma", "{train: [{path: a}, {path: b, schemma: text}]}", "schema"),
    ("data.eval.splt", "{train: [{path: a}], eval: {splt: 0.1}}", "split"),
    ("data.eval.sources[0].colums", "{train: [{path: a}], eval: {sources: [{path: b, colums: {}}]}}", "columns"),
    ("data.clean.deduplicat", "{train: [{path: a}], clean: {deduplicat: exact}}", "deduplicate"),
]  # fmt: skip


@pytest.mark.parametrize(("path", "data", "meant"), MISSPELT_IN_DATA)
def test_a_misspelt_key_below_data_is_named_with_the_nearest(path: str, data: str, meant: str) -> None:
    faults = faults_of(f"name: a\nmodel: {{base: b}}\ndata: {data}\n")
    assert list(faults) == [path]
    assert faults[path].cure == f"did you mean `{meant}`?"
    assert faults[path].line == 3


def test_the_alias_is_the_key_and_the_field_name_is_not() -> None:
    assert list(faults_of(with_("register_: {name: a}\n"))) == ["register_"]
    loaded = parse(with_("register: {name: a}\n"))
    assert loaded.recipe.register_ and loaded.recipe.register_.name == "a"


def test_misspelt_names_of_methods_and_objectives() -> None:
    faults = faults_of(with_("method: {name: lorra}\nobjective: {name: dpo}\n"))
    assert faults["method.name"].cure == "did you mean `lora`?"
    known = "known: sft, pretraining, classification, token_classification, question_answering, multitask"
    assert faults["objective.name"].cure == known
    assert faults["method.name"].line == 6


@pytest.mark.parametrize("section", ["method: {r: 4}", "method: {}", "objective: {loss_on: all}"])
def test_a_section_without_the_name_that_chooses_it_is_refused(section: str) -> None:
    (fault,) = faults_of(with_(section + "\n")).values()
    assert fault.path.endswith(".name") and "required" in fault.problem


def test_what_is_required_and_absent() -> None:
    assert set(faults_of("seed: 1\n")) == {"name", "model", "data"}
    assert set(faults_of("name: a\nmodel: {}\ndata: {train: [{limit: 1}]}\n")) == {
        "model.base",
        "data.train[0].path",
    }


def test_a_key_that_stands_twice_is_a_fault_at_every_level() -> None:
    text = with_("""\
    seed: 1
    seed: 2
    train:
      learning_rate: 1e-3
      max_steps: 3
      learning_rate: 1e-4
    gates:
      - {metric: eval_loss, max: 1, max: 2}
    """)
    faults = faults_of(text)
    assert {path: fault.line for path, fault in faults.items()} == {
        "seed": 7,
        "train.learning_rate": 11,
        "gates[0].max": 13,
    }
    assert "first in line 6" in faults["seed"].problem


WRONG = [
    ("seed", "seed: 1.5"),
    ("seed", "seed: true"),
    ("seed", "seed: -1"),
    ("seed", "seed: '1'"),
    ("seed", "seed: null"),
    ("name", "name: 12"),
    ("name", "name: ../up"),
    ("gates", "gates: {metric: eval_loss}"),
    ("gates[0]", "gates: [eval_loss]"),
    ("gates[0].metric", "gates: [{metric: 3}]"),
    ("train", "train: []"),
    ("train.packing", "train: {packing: 'yes'}"),
    ("train.max_steps", "train: {max_steps: 2.0}"),
    ("train.learning_rate", "train: {learning_rate: 0}"),
    ("train.learning_rate", "train: {learning_rate: .nan}"),
    ("train.learning_rate", "train: {learning_rate: .inf}"),
    ("train.max_grad_norm", "train: {max_grad_norm: .inf}"),
    ("train.num_train_epochs", "train: {num_train_epochs: .inf}"),
    ("train.weight_decay", "train: {weight_decay: .nan}"),
    ("gates[0].max", "gates: [{metric: eval_loss, max: .nan}]"),
    ("train.report_to[0]", "train: {report_to: [wandb]}"),
    ("train.lr_scheduler_type", "train: {lr_scheduler_type: cosin}"),
    ("method.r", "method: {name: lora, r: 0}"),
    ("method.target_modules", "method: {name: lora, target_modules: 3}"),
    ("method.target_modules[1]", "method: {name: lora, target_modules: [q_proj, 3]}"),
    ("method", "method: lora"),
    ("method", "method: null"),
    ("evaluate.confidence", "evaluate: {confidence: 95}"),
    ("evaluate.metrics[0]", "evaluate: {metrics: [bleurt]}"),
    ("register.name", "register: {name: ''}"),
]


@pytest.mark.parametrize(("path", "line"), WRONG, ids=lambda value: str(value))
def test_a_wrong_value_is_refused_at_its_path(path: str, line: str) -> None:
    text = with_(line + "\n") if not line.startswith("name") else SMALLEST.replace("name: small", line)
    faults = faults_of(text)
    assert path in {p.removesuffix(".name") if path == "method" else p for p in faults}, faults
    assert len(faults) == 1
    assert next(iter(faults.values())).line == (1 if path == "name" else 6)


NUMBERS = ["2e-4", "2E-4", "+2e-4", "2.e-4", "2.0e-4", ".0002", "0.2e-3", "0.0002"]


@pytest.mark.parametrize("number", NUMBERS)
def test_every_spelling_of_a_number_is_that_number(number: str) -> None:
    """PyYAML reads YAML 1.1, in which 2e-4 is a string; YAML 1.2 and every user mean the number."""
    assert parse(with_(f"train: {{learning_rate: {number}}}\n")).recipe.train.learning_rate == 2e-4
    assert parse(SMALLEST, [f"train.learning_rate={number}"]).recipe.train.learning_rate == 2e-4


def test_words_and_numbers_mean_what_yaml_1_2_says() -> None:
    """YAML 1.1 reads no and off as false, 010 as eight, 1:30 as ninety and a date as a date."""
    loaded = parse(SMALLEST.replace("small", "2024-01-01"), ["seed=010", "data.clean.deduplicate=off"])
    assert loaded.recipe.seed == 10 and loaded.recipe.name == "2024-01-01"
    assert loaded.recipe.data.clean.deduplicate.kind == "off"
    assert parse(with_("train: {eval_strategy: no}\n")).recipe.train.eval_strategy == "no"
    assert parse(with_("seed: 0x1F\n")).recipe.seed == 31
    assert list(faults_of(with_("seed: 1:30\n"))) == ["seed"]
    (fault,) = faults_of(with_("train: {packing: yes}\n")).values()
    assert fault.cure == "write true or false, without quotes"


def test_a_number_of_many_digits_is_told_shortly() -> None:
    (fault,) = faults_of(with_(f"seed: 0x{'f' * 5000}\n")).values()
    assert fault.path == "seed" and len(str(fault)) < 200


@pytest.mark.parametrize("key", ["strategy", "str", "lora", "list[str]"])
def test_an_unknown_key_keeps_its_name(key: str) -> None:
    """Not taken for what pydantic puts into the places of unions."""
    assert list(faults_of(with_(f"method: {{name: lora, '{key}': 1}}\n"))) == [f"method.{key}"]
    assert list(faults_of(with_(f"train: {{'{key}': 1}}\n"))) == [f"train.{key}"]


@pytest.mark.parametrize("text", ["2e4", "1e3"])
def test_a_name_that_looks_like_a_number_must_be_quoted(text: str) -> None:
    assert list(faults_of(SMALLEST.replace("base: tiny", f"base: {text}"))) == ["model.base"]
    assert parse(SMALLEST.replace("base: tiny", f"base: '{text}'")).recipe.model.base == text


def test_set_reaches_nested_keys_lists_and_null() -> None:
    text = with_("""\
    train: {max_grad_norm: 0.5}
    gates:
      - {metric: eval_loss, max: 2.0}
    """)
    loaded = parse(
        text,
        [
            "model.base=other",
            "train.max_grad_norm=null",
            "data.train.0.path=new.jsonl",
            "data.eval.split=0.25",
            "gates.0.max=3.5",
            "method={name: lora, r: 4}",
            "method.lora_alpha=64",
            "train.report_to=[]",
            "register.name=made",
        ],
    )
    recipe = loaded.recipe
    assert recipe.model.base == "other"
    assert recipe.train.max_grad_norm is None
    assert recipe.data.train[0].path == "new.jsonl"
    assert recipe.data.eval.split == 0.25
    assert recipe.gates[0].max == 3.5
    assert recipe.method.model_dump()["r"] == 4 and recipe.method.model_dump()["lora_alpha"] == 64
    assert recipe.train.report_to == []
    assert recipe.register_ and recipe.register_.name == "made"
    assert loaded.overrides[0] == "model.base=other" and loaded.text == text


def test_the_last_set_wins_and_a_value_may_hold_equals_signs() -> None:
    loaded = parse(SMALLEST, ["seed=1", "seed=2", "model.base=a=b"])
    assert loaded.recipe.seed == 2 and loaded.recipe.model.base == "a=b"


@pytest.mark.parametrize(
    ("override", "path", "words"),
    [
        ("train.lerning_rate=1", "train.lerning_rate", "unknown key"),
        ("trian.learning_rate=1", "trian", "unknown key"),
        ("seed", "--set seed", "section.key=value"),
        ("=1", "--set =1", "section.key=value"),
        ("train..r=1", "--set train..r=1", "section.key=value"),
        ("seed.a=1", "--set seed.a=1", "has no keys"),
        ("name.a.b=1", "--set name.a.b=1", "has no keys"),
        ("data.train.3.path=a", "--set data.train.3.path=a", "1 entries"),
        ("data.train.x.path=a", "--set data.train.x.path=a", "1 entries"),
        ("data.train.1=a", "--set data.train.1=a", "1 entries"),
        ("gates=[", "--set gates=[", "not valid YAML"),
        ("seed='7'", "seed", "is wrong"),
        ("data.balance=", "data.balance", "None is wrong: a section was expected"),
        ("data.augment=[1]", "data.augment", "[1] is wrong: a section was expected"),
        ("seed=²", "seed", "is wrong"),
        ("data.train.²={path: a}", "--set data.train.²={path: a}", "1 entries"),
    ],
)
def test_a_wrong_set_is_a_fault(override: str, path: str, words: str) -> None:
    text = SMALLEST + "seed: 3\n"
    faults = faults_of(text, (override,))
    assert list(faults) == [path]
    assert words in faults[path].problem


def test_a_fault_of_a_set_has_no_line_of_the_file() -> None:
    """The file's line would send the user to a value that is right."""
    (fault,) = faults_of(SMALLEST + "seed: 3\n", ("seed=x",)).values()
    assert fault.line is None and "--set" in str(fault)


def test_faults_of_file_and_sets_are_reported_together() -> None:
    faults = faults_of(SMALLEST + "sead: 3\n", ("train.max_steps=0", "nothing"))
    assert set(faults) == {"sead", "train.max_steps", "--set nothing"}


def test_origins_tell_who_set_a_value() -> None:
    text = with_("""\
    train: {learning_rate: 1e-3, max_steps: 5}
    gates: [{metric: eval_loss, max: 2.0}]
    """)
    origins = parse(text, ["train.max_steps=7", "model={base: b}", "seed=4"]).origins
    assert origins["train.learning_rate"] == "recipe"
    assert origins["train.max_steps"] == "--set"
    assert origins["model.base"] == "--set" and origins["seed"] == "--set"
    assert parse(text, ["gates.0.max=3.0"]).origins["gates[0].max"] == "--set"
    assert origins["data.train"] == "recipe" and origins["gates"] == "recipe"
    assert "train.packing" not in origins and "method.r" not in origins


def test_spaces_around_the_path_of_a_set_do_not_hide_its_origin() -> None:
    assert parse(SMALLEST, [" seed = 4"]).origins["seed"] == "--set"


BOMB = "".join(f"{two}: &{two} [{', '.join([f'*{one}'] * 20)}]\n" for one, two in pairwise("abcdefghijk"))
"""Eleven lines whose aliases stand for 20^10 values."""


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "this is empty"),
        ("# nothing\n", "this is empty"),
        ("- a\n", "this is a list"),
        ("word\n", "this is a str"),
        ("a: [1\n", "not valid YAML"),
        ("a: b: c\n", "not valid YAML"),
        (f"a: &a [1]\n{BOMB}", "larger or nested deeper"),
        ("a: 1\n---\na: 2\n", "not valid YAML"),
        ("a: !!python/object/apply:os.system [ls]\n", "not valid YAML"),
        ("? [1, 2]\n: 3\n", "not valid YAML"),
        ("1: 2\n", "unknown key"),
        ("null: 2\n", "unknown key"),
        ("a: &x [*x]\n", "contains itself"),
        ("seed: 2001-99-99\n", ""),
        ("seed: 0x\n", ""),
        ("? {a: 1}\n: 3\n", ""),
        ("\0", ""),
        ("a: " + "[" * 2000, ""),
        ("seed: " + "9" * 5000, ""),
        ("<<: 3\n", ""),
        ("a: &a {b: *a}\n<<: *a\n", ""),
        ("seed: 1__e5\n", ""),
        ("train: {learning_rate: 9e999999}\n", ""),
        ("seed: 1:99\n", ""),
        ("seed: !!float x\n", ""),
        ("seed: !!binary éé\n", ""),
        ("seed: !!timestamp x\n", ""),
    ],
)
def test_a_text_that_is_no_recipe(text: str, words: str) -> None:
    with pytest.raises(RecipeError, match=words):
        parse(text)


@pytest.mark.parametrize("content", [None, b"\xff\xfe\x00a", b"name: \xe9\n"])
def test_a_file_that_cannot_be_read(content: bytes | None, tmp_path: Path) -> None:
    if content is not None:
        (tmp_path / "a.yaml").write_bytes(content)
    with pytest.raises(RecipeError):
        load(tmp_path / "a.yaml")


def test_a_folder_is_no_recipe(tmp_path: Path) -> None:
    with pytest.raises(RecipeError):
        load(tmp_path)
    (tmp_path / "file").write_text("")
    with pytest.raises(RecipeError):
        load(tmp_path / "file" / "below.yaml")


def test_a_byte_order_mark_is_no_part_of_the_first_key(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text(SMALLEST, encoding="utf-8-sig")
    assert load(tmp_path / "a.yaml").recipe.name == "small"


def test_relative_paths_start_at_the_recipe(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text(SMALLEST)
    loaded = load(tmp_path / "a.yaml", ["seed=3"])
    assert loaded.folder == tmp_path and loaded.text == SMALLEST and loaded.overrides == ("seed=3",)


KEYS = st.sampled_from(
    ["name", "seed", "model", "base", "data", "train", "eval", "sources", "path", "schema", "method", "r"]
    + ["objective", "gates", "metric", "register", "columns", "target_modules", "report_to", "<<", "x"]
)
SCALARS = (
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8)
    | st.sampled_from(["lora", "sft", "freeze", "2e-4", "{}", "tiny"])
)  # fmt: skip
TREES = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS | SCALARS, inner, max_size=5),
    max_leaves=20,
)
YAML_TEXT = st.text(st.sampled_from(list("abn:-{}[],&*!|>'\"#?%@~<=. \n\t0129eE+_é")), max_size=80)


def loads_or_tells(text: str, overrides: tuple[str, ...] = ()) -> None:
    try:
        assert isinstance(parse(text, overrides), LoadedRecipe)
    except RecipeError as error:
        assert error.faults and all(fault.problem for fault in error.faults)


@settings(max_examples=300, deadline=None)
@given(st.text() | YAML_TEXT)
def test_no_text_raises_anything_else(text: str) -> None:
    loads_or_tells(text)


@settings(max_examples=200, deadline=None)
@given(st.dictionaries(KEYS, TREES, max_size=8))
def test_no_tree_raises_anything_else(tree: dict[Any, Any]) -> None:
    loads_or_tells(yaml.safe_dump(tree, allow_unicode=True))


@settings(max_examples=150, deadline=None)
@given(YAML_TEXT)
def test_no_value_in_a_whole_recipe_raises_anything_else(value: str) -> None:
    loads_or_tells(with_("train:\n  max_steps: ") + value + "\n")
    loads_or_tells(SMALLEST + f"{value}\n")


@settings(max_examples=200, deadline=None)
@given(st.lists(KEYS | st.sampled_from(["0", "1"]), min_size=1, max_size=4), YAML_TEXT | st.just("{r: 1}"))
def test_no_set_raises_anything_else(keys: list[str], value: str) -> None:
    loads_or_tells(SMALLEST, (f"{'.'.join(keys)}={value}",))


@settings(max_examples=200, deadline=None)
@given(st.text(max_size=20))
def test_no_text_of_a_set_raises_anything_else(override: str) -> None:
    loads_or_tells(SMALLEST, (override,))
