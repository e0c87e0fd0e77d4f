"""What a `luthier data` command writes knows where it came from."""

import json
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from luthier.cli.data.origin_notes import NotingGroup, noting
from luthier.cli.data.versions import versions


@click.command()
@click.argument("files", nargs=-1, type=click.Path(path_type=Path))
@click.option("-o", "--output", type=click.Path(path_type=Path))
@click.option("--by", type=int, default=2)
@click.option("--other", default="x")
@click.option("--processes", type=int, default=1)
def halve(files, output, by, other, processes):
    """Keep every second row."""
    if output:
        lines = [line for file in files for line in file.read_text().splitlines()]
        output.write_text("".join(f"{line}\n" for line in lines[::by]))


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in ("LUTHIER_DATA_KEY", "LUTHIER_DATA", "LUTHIER_PRINCIPAL"):
        monkeypatch.delenv(name, raising=False)
    (tmp_path / "raw.jsonl").write_text("".join(f'{{"n": {n}}}\n' for n in range(9)))
    return tmp_path


def _run(command, text):
    result = CliRunner().invoke(command, text.split(), catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result.output


def test_a_chain_of_commands_is_traced_to_the_raw_version(folder):
    _run(versions, "snapshot raw.jsonl --name raw")
    _run(noting(halve), "raw.jsonl -o half.jsonl --by 3 --processes 2")
    _run(noting(halve), "half.jsonl -o less.jsonl")
    _run(versions, "snapshot less.jsonl --name less")
    found = json.loads(_run(versions, "lineage less --json"))
    assert [parent["name"] for parent in found["parents"]] == ["raw@1"]
    assert found["origins"][0]["steps"] == [{"operator": "halve", "by": 3}, {"operator": "halve"}]


def test_nothing_is_noted_where_nothing_was_written(folder):
    _run(noting(halve), "raw.jsonl")
    assert [path.name for path in folder.iterdir()] == ["raw.jsonl"]


def test_the_command_itself_stays_as_it_is(folder):
    assert noting(halve) is not halve
    _run(halve, "raw.jsonl -o half.jsonl")
    assert not (folder / "half.jsonl.origin.json").exists()


def test_the_data_commands_note():
    from luthier.cli.data.group import data

    assert isinstance(data, NotingGroup)
