"""`luthier data augment`: files in, files out, and errors that name the option."""

import json

import pytest
from click.testing import CliRunner

from luthier.cli.data.augment import augment
from luthier.core.errors import DataError
from luthier.data.sources import read_rows

ROWS = [
    {"text": f"where is my new card number {word}", "category": "card"}
    for word in ["alpha", "beta", "gamma", "delta"]
]


@pytest.fixture
def source(tmp_path):
    path = tmp_path / "in.csv"
    path.write_text("text,category\n" + "".join(f"{row['text']},{row['category']}\n" for row in ROWS))
    return path


def run(source, output, *options):
    result = CliRunner().invoke(augment, [str(source), "-o", str(output), *options], catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result.output


def test_new_rows_are_written_and_counted(source, tmp_path):
    output = tmp_path / "out.csv"
    options = ("--kind", "typing", "--kind", "swap", "--share", "1.0", "--seed", "3", "--rate", "0.2")
    facts = json.loads(run(source, output, *options, "--json"))
    assert facts["rows"] == 8
    assert facts["augmentation"]["made_by_kind"] == {"typing": 2, "swap": 2}
    rows = [row for _, row in read_rows(output)]
    assert [{"text": row["text"], "category": row["category"]} for row in rows[:4]] == ROWS
    assert {json.loads(row["augmented"])["seed"] for row in rows[4:]} == {3}
    assert {row["group"] for row in rows[4:]} <= {row["group"] for row in rows[:4]}
    first = output.read_bytes()
    text = run(source, output, *options)
    assert output.read_bytes() == first
    assert "new rows" in text
    assert "→ where" in text


def test_options_take_effect(source, tmp_path):
    output = tmp_path / "out.csv"
    held_out = tmp_path / "eval.jsonl"
    held_out.write_text(json.dumps({"text": f"Hi, {ROWS[0]['text']}"}) + "\n")
    options = (
        "--kind",
        "prefix",
        "--share",
        "0.5",
        "--phrase",
        "Hi,",
        "--no-provenance",
        "--eval",
        str(held_out),
    )
    options = (*options, "--min-per-class", "6", "--label-field", "category", "--attempts", "1")
    run(source, output, *options)
    rows = [row for _, row in read_rows(output)]
    assert set(rows[0]) == {"text", "category"}
    assert len(rows) == 6
    assert all(row["text"].startswith("Hi, where") for row in rows[4:])
    assert f"Hi, {ROWS[0]['text']}" not in {row["text"] for row in rows}
    run(source, output, "--kind", "masking", "--mask", "~", "--max-share", "0.2", "--share", "0.9")
    rows = [row for _, row in read_rows(output)]
    assert len(rows) == 5
    assert "~" in rows[4]["text"]
    run(source, output, "--kind", "deletion", "--max-edit-distance", "0.01")
    assert len(list(read_rows(output))) == 4
    assert len(list(read_rows(tmp_path / "out.csv.rejected.jsonl"))) >= 1


def test_synonym_files_are_read(source, tmp_path):
    synonyms = tmp_path / "mine.txt"
    synonyms.write_text("card, plastic\n")
    run(source, tmp_path / "out.csv", "--kind", "synonyms", "--synonyms", str(synonyms), "--share", "1")
    rows = [row for _, row in read_rows(tmp_path / "out.csv")]
    assert [row["text"] for row in rows[4:]] == [row["text"].replace("card", "plastic") for row in ROWS]


@pytest.mark.parametrize(
    ("options", "fault"),
    [
        (["--kind", "swap", "--mask", "_"], "--mask: takes effect with masking only"),
        (["--kind", "swap", "--synonyms", "x"], "--synonyms: takes effect with synonyms, insertion only"),
        (["--kind", "prefix", "--rate", "0.5"], "--rate: takes effect with"),
        (["--kind", "paraphrase"], "needs a chat model"),
        (["--kind", "swap", "--per-class"], "need label_field"),
        (["--kind", "swap", "--embedder", "minilm"], "need each other"),
        (["--kind", "swap", "--field", "output"], "never alters it"),
        (["--kind", "swap", "--field", "messages.*.tool_calls"], "never alters it"),
        (["--kind", "swap", "--per-class", "--label-field", "x"], "no row has a class"),
        (["--kind", "synonyms", "--wordnet", "nowhere"], "nowhere: WordNet"),
    ],
)
def test_faults_are_named(source, tmp_path, options, fault):
    with pytest.raises(DataError, match=fault):
        run(source, tmp_path / "out.csv", *options)
    assert not (tmp_path / "out.csv").exists()


@pytest.mark.slow
def test_the_gate_and_the_model_are_loaded(source, tmp_path):
    output = tmp_path / "out.csv"
    facts = json.loads(
        run(source, output, "--kind", "swap", "--kind", "masking", "--share", "1", "--gate", "0.5", "--json")
    )
    rows = [json.loads(row["augmented"]) for _, row in read_rows(output) if row["augmented"]]
    assert all(0.5 <= row["similarity"] <= 1 for row in rows)
    assert facts["augmentation"]["made"] == len(rows) > 0
    run(source, output, "--kind", "paraphrase", "--model", "smollm2-135m-instruct", "--share", "0.25")
    rows = [row for _, row in read_rows(output)]
    assert json.loads(rows[-1]["augmented"])["kind"] == "paraphrase"
