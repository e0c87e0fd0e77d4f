"""`luthier data versions`: each command on plain files, for people and as JSON."""

import json

import pytest
from click.testing import CliRunner

from luthier.cli.data.versions import VERSION_COMMANDS, versions
from luthier.core.errors import DataError
from luthier.data.sources import read_rows
from luthier.data.versions import encryption


@pytest.fixture
def run(tmp_path, monkeypatch):
    """A function that runs a command in a folder of its own and returns what it printed."""
    monkeypatch.chdir(tmp_path)
    for name in ("LUTHIER_DATA_KEY", "LUTHIER_DATA", "LUTHIER_PRINCIPAL"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(encryption, "_from_keyring", lambda: None)

    def run(command, *arguments, exit_code=0):
        result = CliRunner().invoke(versions, [*command.split(), *arguments])
        if result.exception and not isinstance(result.exception, SystemExit):
            raise result.exception
        assert result.exit_code == exit_code, result.output
        return json.loads(result.output) if "--json" in command else result.output

    return run


@pytest.fixture
def raw(tmp_path, run):
    """A file of three rows, stored as raw@1."""
    path = tmp_path / "raw.csv"
    path.write_text("id,text,label\n1,很好,pos\n2,bad,neg\n3,fine,pos\n", encoding="utf-8")
    run("snapshot raw.csv --name raw --tag first -m received")
    return path


def test_every_command_is_there_with_its_help(run):
    for name in VERSION_COMMANDS:
        assert "--help" in run(f"{name} --help")


def test_snapshot_show_and_list(run, raw):
    assert "has these rows already" in run("snapshot raw.csv --name raw")
    facts = run("show raw --json")
    assert (facts["number"], facts["rows"], facts["tags"], facts["message"]) == (1, 3, ["first"], "received")
    assert facts["first"][0] == {"id": "1", "text": "很好", "label": "pos"}
    assert facts["fields"][1] == {"name": "text", "type": "string", "rows": 3}
    shown = run("show raw@first --rows 1")
    assert "很好" in shown and "bad" not in shown
    (listed,) = run("list --json")
    assert (listed["dataset"], listed["latest"], listed["rows"]) == ("raw", 1, 3)
    assert "raw" in run("list")


def test_diff_rollback_and_log(run, raw):
    raw.write_text("id,text,label\n1,很好,pos\n2,bad,pos\n4,new,neg\n", encoding="utf-8")
    run("snapshot raw.csv --name raw")
    facts = run("diff raw@1 raw@2 --key id --json")
    assert [facts[name] for name in ("added", "removed", "changed", "same")] == [1, 1, 1, 1]
    text = run("diff raw@1 2 --key id")
    assert "field label differs in 1 changed row" in text and "+ row 3" in text
    assert "hold the same rows" in run("diff raw@2 raw")
    assert "raw@1 is the latest" in run("rollback raw -m wrong")
    actions = [entry["action"] for entry in run("log raw --json")]
    assert actions == ["snapshot", "snapshot", "rollback"]
    assert "rollback 1" in run("log raw")


def test_a_version_is_read_by_its_address_and_exported(run, raw, tmp_path):
    run("snapshot dataset://raw@first --name copy")
    assert run("show copy --json")["rows"] == 3
    run("export copy@1 -o out.jsonl")
    assert [row for _, row in read_rows(tmp_path / "out.jsonl")] == [row for _, row in read_rows(raw)]
    found = run("lineage copy --json")
    assert [parent["name"] for parent in found["parents"]] == ["raw@1"]
    text = run("lineage copy")
    assert "raw@1" in text and "raw.csv (3 rows" in text


def test_from_names_the_parents_of_rows(run, raw, tmp_path):
    (tmp_path / "made.jsonl").write_text('{"x": 1}\n')
    run("snapshot made.jsonl --name made --from raw.csv")
    assert [parent["name"] for parent in run("lineage made --json")["parents"]] == ["raw@1"]


def test_tags(run, raw):
    run("tag raw@1 gold")
    assert run("show raw@gold --json")["tags"] == ["first", "gold"]
    run("untag raw gold")
    with pytest.raises(DataError, match="gold"):
        run("show raw@gold")


def test_rights(run, raw):
    assert "is open" in run("rights raw")
    run("grant raw ann admin")
    run("grant raw bob read")
    assert run("rights raw --json")["rights"] == {"ann": "admin", "bob": "read"}
    assert run("show raw --as bob --json")["rows"] == 3
    with pytest.raises(DataError, match="bob has the right to read only"):
        run("tag raw@1 x --as bob")
    run("revoke raw bob")
    with pytest.raises(DataError, match="bob has no rights"):
        run("show raw --as bob")


def test_encryption(run, raw, monkeypatch):
    monkeypatch.setenv("LUTHIER_DATA_KEY", run("new-key").strip())
    facts = run("snapshot raw.csv --name secret --encrypt --json")
    assert facts["encrypted_with"]
    assert run("show secret --json")["first"][0]["text"] == "很好"
    monkeypatch.delenv("LUTHIER_DATA_KEY")
    with pytest.raises(DataError, match="no key is given"):
        run("export secret -o x.csv")


def test_care(run, raw, tmp_path):
    raw.write_text("id,text\n9,x\n")
    run("snapshot raw.csv --name raw")
    run("untag raw first")
    assert "1 data set verified, no fault" in run("verify")
    cooled = run(f"cool raw --to {tmp_path}/cold --unused-days 0 --json")
    assert (cooled["versions"], cooled["files"]) == ([1], 1)
    assert run("show raw@1 --json")["rows"] == 3
    assert run("warm raw@1 --json")["files"] == 1
    told = run("gc raw --keep 1 --dry-run --json")
    assert (told["forgotten"], told["is_dry_run"]) == ([1], True)
    run("forget raw@1")
    done = run("gc raw --json")
    assert (done["files"], done["waiting"]) == (0, 3)  # younger than the grace
    for path in (tmp_path / "data-store" / "raw" / "objects").glob("*.parquet"):
        path.write_bytes(b"")
    (fault,) = run("verify --json", exit_code=2)["faults"]
    assert "damaged" in fault
    assert "damaged" in run("verify", exit_code=2)


def test_forgetting_needs_a_version(run, raw):
    with pytest.raises(DataError, match="names no version"):
        run("forget raw")


def test_the_store_is_named_by_option_or_variable(run, raw, tmp_path, monkeypatch):
    run("snapshot raw.csv --name raw --store other")
    assert (tmp_path / "other" / "store.json").is_file()
    monkeypatch.setenv("LUTHIER_DATA", "other")
    assert run("list --json")[0]["dataset"] == "raw"


def test_references(run, tmp_path):
    (tmp_path / "a.png").write_bytes(b"\x89PNG")
    (tmp_path / "rows.jsonl").write_text('{"image": "a.png"}\n')
    assert "1 file that rows refer to, checked" in run(
        "snapshot rows.jsonl --name pictures --reference-field image"
    )
    (tmp_path / "a.png").write_bytes(b"other")
    assert "another content" in run("verify pictures", exit_code=2)
    run("verify pictures --skip-references")
