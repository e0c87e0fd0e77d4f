"""`luthier data clean` as a user types it."""

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from luthier.cli.data.clean import clean
from luthier.core.errors import DataError, LuthierError, RecipeError
from luthier.recipe.data_sections.clean import CleanSection, QualitySection


@pytest.fixture
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    rows = ["SchÃ¶n  \r\n", "浣犲ソ锛屼笘鐣岋紝浣犲ソ", "ok", "ok\x00  <b>ok</b> 👍 http://a.cn"]
    Path("in.jsonl").write_text(
        "".join(json.dumps({"text": t, "n": 1}) + "\n" for t in rows), encoding="utf-8"
    )
    return tmp_path


def _run(*arguments):
    done = CliRunner().invoke(clean, arguments, catch_exceptions=False, standalone_mode=False)
    assert done.exit_code == 0
    return done.output


def _texts(path="out.jsonl"):
    return [json.loads(line)["text"] for line in Path(path).read_text(encoding="utf-8").splitlines()]


def test_without_options_the_harmless_is_done(here):
    output = _run("in.jsonl", "-o", "out.jsonl")
    assert "4 rows, 4 kept, 3 of them changed" in output
    assert _texts() == ["Schön", "你好，世界，你好", "ok", "ok  <b>ok</b> 👍 http://a.cn"]


def test_options_and_json(here):
    arguments = "--markup html --emoji remove --urls remove --white-space one_line --control-characters"
    facts = json.loads(
        _run("in.jsonl", "-o", "out.jsonl", *arguments.split(), "--min-characters", "3", "--json")
    )
    assert facts == {
        "rows": 4,
        "kept": 3,
        "changed": 2,
        "left_out": {"too_short": 1},
        "changes": {"white_space": 2, "control_characters": 1, "markup": 1, "urls": 1, "emoji": 1},
    }
    assert _texts()[-1] == "ok ok"
    (rejected,) = map(json.loads, Path("out.jsonl.rejected.jsonl").read_text(encoding="utf-8").splitlines())
    assert rejected == {
        "source": "in.jsonl",
        "row": 3,
        "reason": "too_short",
        "detail": "it has 2 characters, at least 3 were asked for",
        "raw": {"text": "ok", "n": 1},
    }


def test_a_file_of_keys_and_options_over_it(here):
    Path("clean.yaml").write_text(
        "lowercase: true\nwhite_space: tidy\nquality: {min_words: 3}\n", encoding="utf-8"
    )
    _run("in.jsonl", "-o", "out.jsonl", "--config", "clean.yaml", "--white-space", "one_line")
    assert _texts() == ["浣犲ソ锛屼笘鐣岋紝浣犲ソ", "ok\x00 <b>ok</b> 👍 http://a.cn"]


def test_two_processes_write_the_same_files(here):
    _run("in.jsonl", "-o", "one/out.jsonl")
    _run("in.jsonl", "-o", "two/out.jsonl", "--processes", "2")
    one, two = ({p.name: p.read_bytes() for p in Path(n).iterdir()} for n in ("one", "two"))
    assert one == two and len(one) == 2


def test_missing_values(here):
    Path("t.csv").write_text("text,age,kind\na,1,\nb,,x\nc,5,x\nd,NA,y\n", encoding="utf-8")
    arguments = ["--missing", "age=mean", "--missing", "kind=constant:a:b", "--missing-tokens", "na"]
    _run("t.csv", "-o", "out.csv", "--field", "text", *arguments)
    assert Path("out.csv").read_bytes().decode() == "text,age,kind\r\na,1,a:b\r\nb,3,x\r\nc,5,x\r\nd,3,y\r\n"
    _run("t.csv", "-o", "out.csv", "--field", "text", "--missing", "kind=drop")
    assert Path("out.csv").read_bytes().decode() == "text,age,kind\r\nb,,x\r\nc,5,x\r\nd,NA,y\r\n"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--missing", "age=maen"], "missing.0.action"),
        (["--missing", "age=constant"], "needs a value"),
        (["--missing-tokens", "NA"], "takes no effect"),
        (["--emoji-language", "zh"], "takes no effect"),
        (["--min-language-score", "0.5"], "takes no effect"),
        (["--languages", "Chinese"], "Chinese is zh"),
        (["--min-words", "9", "--max-words", "3"], "no row is left"),
        (["--config", "absent.yaml"], "cannot be read"),
        (["--config", "bad.yaml"], "did you mean `unicode`"),
        (["--config", "list.yaml"], "a mapping of keys"),
        (["--processes", "2", "--ray", "local"], "takes no effect"),
    ],
)
def test_mistakes_are_named(here, arguments, message):
    Path("bad.yaml").write_text("unicde: true\n", encoding="utf-8")
    Path("list.yaml").write_text("- unicode\n", encoding="utf-8")
    with pytest.raises(LuthierError, match=message) as caught:
        _run("in.jsonl", "-o", "out.jsonl", *arguments)
    assert isinstance(caught.value, RecipeError | DataError) and caught.value.exit_code == 2
    assert not Path("out.jsonl").exists()


def test_every_key_of_the_sections_is_an_option():
    options = {option for parameter in clean.params for option in parameter.opts}
    keys = [*CleanSection.model_fields, *QualitySection.model_fields]
    assert {f"--{key.replace('_', '-')}" for key in keys if key != "quality"} <= options
    assert all(parameter.help for parameter in clean.params if parameter.param_type_name == "option")
