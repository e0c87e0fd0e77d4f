"""`luthier data balance` and `profile` as a user types them."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from luthier.cli.data.balance import balance
from luthier.cli.data.profile import profile
from luthier.core.errors import DataError
from luthier.data.sources import read_rows


@pytest.fixture
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    rows = ["TEXT,label,topic,age"]
    rows += [f"第 {n} 行，文本。,{n % 4 == 0:d},{'ab'[n % 3 == 0]},{20 + n}" for n in range(60)]
    # a byte-order mark and CRLF, as COLDataset has them
    Path("in.csv").write_bytes(b"\xef\xbb\xbf" + "\r\n".join([*rows, ""]).encode())
    return tmp_path


def _run(command, *arguments):
    done = CliRunner().invoke(command, arguments, catch_exceptions=False, standalone_mode=False)
    assert done.exit_code == 0
    return done.output


def _refused(command, *arguments):
    with pytest.raises(DataError) as caught:
        _run(command, *arguments)
    return str(caught.value)


class TestBalance:
    def test_weights_are_written_and_read_back(self, here):
        text = _run(balance, "in.csv", "-o", "out.csv", "--by", "label")
        assert "0.6667" in text and "wrote out.csv: 60 rows" in text
        rows = [row for _, row in read_rows(here / "out.csv")]
        weights = {row["label"]: float(row["weight"]) for row in rows}
        assert weights == pytest.approx({"1": 2.0, "0": 2 / 3})

        from luthier.data.read import read_source
        from luthier.recipe.source_section import Source

        source = Source.model_validate({"path": "out.csv", "columns": {"text": "TEXT"}})
        assert {s.labels[0]: s.weight for s in read_source(source, here)} == weights

    def test_json_tells_the_classes(self, here):
        found = json.loads(
            _run(balance, "in.csv", "-o", "o.jsonl", "--by", "label", "--method", "undersample", "--json")
        )
        assert (found["rows"], found["kept"], found["left_out"]) == (60, 30, {"undersampled": 30})
        assert [(c["name"], c["rows"], c["rows_after"]) for c in found["classes"]] == [
            ("0", 45, 15),
            ("1", 15, 15),
        ]
        assert len(list(read_rows(here / "o.jsonl.rejected.jsonl"))) == 30

    def test_oversampled(self, here):
        assert "90 rows" in _run(balance, "in.csv", "-o", "o.csv", "--by", "label", "--method", "oversample")

    @pytest.mark.parametrize(
        ("options", "said"),
        [
            (("--by", "age", "--by", "none"), "'none'"),
            (("--by", "label", "--beta", "0.9"), "beta has no effect"),
            (("--by", "label", "--weighting", "effective_number", "--beta", "2"), "--beta"),
            (("--by", "label", "--max-copies", "3"), "max_copies has no effect"),
            (("--by", "label", "--method", "stratified"), "share or rows"),
        ],
    )
    def test_refused(self, here, options, said):
        assert said in _refused(balance, "in.csv", "-o", "out.csv", *options)
        assert not Path("out.csv").exists()


class TestProfile:
    def test_prints_what_stands_out(self, here):
        options = ("--column", "text=TEXT", "--attribute", "topic", "--attribute", "age", "--no-language")
        text = _run(profile, "in.csv", *options)
        assert "60 in in.csv" in text and "label × topic" in text and "25–34" in text

    def test_report_and_json(self, here):
        options = ("--column", "text=TEXT", "--no-language", "-o", "report.html", "--json")
        found = json.loads(_run(profile, "in.csv", *options))
        assert found["classes"]["number"] == 2 and found["raw_columns"][0]["name"] == "TEXT"
        assert Path("report.html").read_text(encoding="utf-8").startswith("<!doctype html>")

    def test_own_ranges_and_the_group(self, here):
        options = ("--column", "text=TEXT", "--attribute", "age", "--bins", "age=30,50", "--group", "topic")
        found = json.loads(_run(profile, "in.csv", *options, "--no-language", "--json"))
        assert [v["name"] for v in found["columns"]["age"]["values"]] == ["under 30", "30–49", "50 and over"]
        assert {v["name"] for v in found["columns"]["group"]["values"]} == {"a", "b"}

    def test_comparison_with_an_older_version(self, here):
        Path("old.csv").write_text("text,label\n" + "".join(f"row {n},0\n" for n in range(60)) + "x,1\n")
        Path("new.csv").write_text("text,label\n" + "".join(f"row {n},1\n" for n in range(60)) + "x,0\n")
        found = json.loads(_run(profile, "new.csv", "--compare", "old.csv", "--no-language", "--json"))
        (pair,) = found["drift"]
        assert (pair["before"], pair["after"]) == ("old.csv", "new.csv")
        assert {e["column"]: e["verdict"] for e in pair["columns"]}["label"] == "large"

    @pytest.mark.parametrize(
        ("options", "said"),
        [
            (("-o", "report.txt"), ".html"),
            (("--column", "text"), "--column"),
            (("--bins", "age=x"), "no numbers"),
            (("--attribute", "none", "--column", "text=TEXT"), "attributes: the file has no column 'none'"),
            ((), "no known schema"),
        ],
    )
    def test_refused(self, here, options, said):
        assert said in _refused(profile, "in.csv", "--no-language", *options)

    def test_a_mistake_ends_with_exit_code_2_and_no_traceback(self, here):
        done = subprocess.run(
            [sys.executable, "-m", "luthier", "data", "profile", "none.csv"],
            capture_output=True,
            text=True,
            env={**os.environ, "NO_COLOR": "1"},
        )
        assert done.returncode == 2 and "no such file" in done.stderr and "Traceback" not in done.stderr
