"""`luthier data pii` on files: what it writes, what it prints, and how it refuses."""

import json
from collections import Counter

import pytest
from click.testing import CliRunner

from luthier.cli.data.pii import pii
from luthier.data.sources import read_rows

_PHONE, _CARD = "13812345678", "110102199101010078"
_KEY = {"LUTHIER_PII_KEY": "k" * 32}


@pytest.fixture
def source(tmp_path):
    path = tmp_path / "in.csv"
    text = f'\ufeffname,note,n\r\n李雷,电话{_PHONE},1\r\n韩梅梅,"身份证{_CARD}",2\r\n无,没有,3\r\n'
    path.write_bytes(text.encode())
    return path


def _run(*arguments, env=None):
    return CliRunner().invoke(
        pii, [str(argument) for argument in arguments], env=env or {"LUTHIER_PII_KEY": ""}
    )


def _json(*arguments, env=None):
    result = _run(*arguments, "--json", env=env)
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout)


def test_without_output_it_reports(source):
    result = _run(source)
    assert result.exit_code == 0
    assert "3 rows, 2 with personal data" in result.stdout
    assert "row 1" in result.stdout and "/note" in result.stdout and "1*********8" in result.stdout
    assert _PHONE not in result.stdout and _CARD not in result.stdout
    facts = _json(source)["report"]
    assert facts["rows"] == 3
    assert Counter({entry["kind"]: entry["count"] for entry in facts["findings"]}) == {
        "identity_card": 1,
        "phone": 1,
    }


def test_with_output_it_masks_and_keeps_no_old_text(source, tmp_path):
    facts = _json(source, "-o", tmp_path / "out.jsonl", "--processes", 2)
    assert [row for _, row in read_rows(tmp_path / "out.jsonl")] == [
        {"name": "李雷", "note": "电话[PHONE]", "n": "1"},
        {"name": "韩梅梅", "note": "身份证[IDENTITY_CARD]", "n": "2"},
        {"name": "无", "note": "没有", "n": "3"},
    ]
    assert {name: facts[name] for name in ("rows", "kept", "changed")} == {"rows": 3, "kept": 3, "changed": 2}
    for path in tmp_path.iterdir():
        assert path == source or _PHONE not in path.read_text()


def test_kinds_fields_actions_and_certainty(source, tmp_path):
    out = tmp_path / "out.csv"

    def notes(*options):
        result = _run(source, "-o", out, *options)
        assert result.exit_code == 0, result.output
        return [row["note"] for _, row in read_rows(out)]

    assert notes("--kinds", "phone")[:2] == ["电话[PHONE]", f"身份证{_CARD}"]
    assert notes("--field", "name") == [f"电话{_PHONE}", f"身份证{_CARD}", "没有"]
    assert notes("--action-for", "phone=drop") == ["身份证[IDENTITY_CARD]", "没有"]
    assert "left out (personal_data)" in _run(source, "-o", out, "--action", "drop").stdout
    assert notes("--min-certainty", "checked")[0] == f"电话{_PHONE}"
    rejected = tmp_path / "out.csv.rejected.jsonl"
    assert notes("--action", "drop") == ["没有"]
    assert _PHONE not in rejected.read_text() and "[PHONE]" in rejected.read_text()
    names = _run(source, "-o", out, "--kinds", "all", "--min-certainty", "uncertain")
    assert names.exit_code == 0
    assert [row["name"] for _, row in read_rows(out)][:2] == ["[NAME]", "[NAME]"]


def test_report_file_has_a_line_per_finding(source, tmp_path):
    report = tmp_path / "report.jsonl"
    _json(source, "--report", report)
    lines = [row for _, row in read_rows(report)]
    assert [(line["row"], line["path"], line["kind"], line["excerpt"]) for line in lines] == [
        (1, "/note", "phone", "1*********8"),
        (2, "/note", "identity_card", "11**************78"),
    ]
    _json(source, "--report", report, "--show-values")
    assert [row["excerpt"] for _, row in read_rows(report)] == [_PHONE, _CARD]


def test_there_and_back(source, tmp_path):
    out, back, sealed = tmp_path / "out.csv", tmp_path / "back.csv", tmp_path / "map.jsonl"
    _json(source, "-o", out, "--action", "pseudonymise", "--map", sealed, env=_KEY)
    assert _PHONE not in out.read_text() + sealed.read_text()
    facts = _json(out, "-o", back, "--restore", sealed, env=_KEY)
    assert (facts["changed"], facts["shared_substitutes"]) == (2, 0)
    assert [row for _, row in read_rows(back)] == [row for _, row in read_rows(source)]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--action", "mask"], "--output: there is no file to write to"),
        (["--map", "m.jsonl"], "--output: there is no file to write to"),
        (["--restore", "m.jsonl"], "--output: there is no file to write to"),
        (["--show-values"], "--show-values: there is no report"),
        (["--report", "r.csv"], "r.csv: the report is a .jsonl file"),
        (["--kinds", "phone,fax"], "kind 'fax' of personal data is not known|kind 'fax' is not known"),
        (["--action-for", "phone"], "'phone' is not KIND=ACTION"),
        (["-o", "o.jsonl", "--action", "pseudonymise"], "LUTHIER_PII_KEY, which holds the key, is not set"),
        (
            ["-o", "o.jsonl", "--restore", "m.jsonl", "--kinds", "phone"],
            "--kinds: has no effect beside --restore",
        ),
        (["-o", "o.jsonl", "--map", "m.jsonl"], "a map is kept of substitutes only"),
        (["--field", "body"], "no string or number stands at 'body'"),
    ],
)
def test_mistakes_say_what_to_do(source, tmp_path, monkeypatch, options, message):
    monkeypatch.chdir(tmp_path)
    result = _run(source, *options)
    assert result.exit_code != 0
    import re

    assert re.search(message, str(result.exception))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["in.csv"]


@pytest.mark.parametrize(
    ("name", "rows", "most"),
    [
        ("classification/coldataset_zh_train.csv", 25_726, 20),
        ("instruction/glaive_toolcall_en_demo.json", 300, 40),
        ("instruction/alpaca_en_demo.json", 999, 10),
    ],
)
def test_real_data_goes_through_with_few_findings(shared_data, tmp_path, name, rows, most):
    facts = _json(shared_data / name, "-o", tmp_path / "out.jsonl")
    assert facts["rows"] == facts["kept"] == rows
    assert 0 < facts["changed"] <= most
