"""The log of corrections: every change of the past shows."""

from __future__ import annotations

import json
import multiprocessing
from pathlib import Path

import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from luthier.core.errors import DataError
from luthier.data.annotation.corrections import Correction, CorrectionLog


def filled(path: Path, count: int = 4) -> CorrectionLog:
    log = CorrectionLog(path)
    log.append(Correction(f"行{n}", "a" if n else None, "b", "旧标签 is wrong", "ann") for n in range(count))
    return log


def test_entries_are_traced(tmp_path: Path) -> None:
    log = filled(tmp_path / "log.jsonl", 2)
    before = log.head
    (entry,) = log.append([Correction("行0", "b", "c", "second thoughts", "bea")])
    assert (entry.number, entry.previous, entry.hash) == (3, before, log.head)
    found = [(e.before, e.after, e.by) for e in log.entries() if e.row == "行0"]
    assert found == [(None, "b", "ann"), ("b", "c", "bea")]
    assert log.verify() == log.verify(before) == log.verify(before[:12]) == 3


def test_an_empty_log(tmp_path: Path) -> None:
    log = CorrectionLog(tmp_path / "log.jsonl")
    assert (log.verify(), log.head, list(log.entries())) == (0, "0" * 64, [])
    with pytest.raises(DataError, match="holds no entry with the hash"):
        log.verify("ab12")


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.data())
def test_any_change_shows(tmp_path: Path, data: st.DataObject) -> None:
    path = tmp_path / "log.jsonl"
    path.unlink(missing_ok=True)
    head = filled(path).head
    whole = path.read_bytes()
    position = data.draw(st.integers(0, len(whole) - 1))
    byte = data.draw(st.integers(0, 255))
    assume(whole[position] != byte)
    changed = whole[:position] + bytes([byte]) + whole[position + 1 :]
    path.write_bytes(changed)
    try:
        same = [json.loads(line) for line in changed.split(b"\n")[:-1]] == [
            json.loads(line) for line in whole.split(b"\n")[:-1]
        ]
    except ValueError:
        same = False
    if same:  # e.g. a tab in the place of a space: the entries are what they were
        assert CorrectionLog(path).verify(head) == 4
    else:
        with pytest.raises(DataError):
            CorrectionLog(path).verify(head)


def test_lines_that_were_moved_removed_or_forged_show(tmp_path: Path) -> None:
    path = tmp_path / "log.jsonl"
    head = filled(path).head
    lines = path.read_text().splitlines(keepends=True)
    for changed in (lines[1:], [lines[0], *lines[2:]], [lines[1], lines[0], *lines[2:]], [*lines, lines[-1]]):
        path.write_text("".join(changed))
        with pytest.raises(DataError, match="removed, inserted or moved"):
            CorrectionLog(path).verify()
    path.write_text("".join(lines[:2]))  # a cut at the end shows only by a hash that was kept elsewhere
    assert CorrectionLog(path).verify() == 2
    with pytest.raises(DataError, match="cut off"):
        CorrectionLog(path).verify(head)
    path.unlink()
    filled(path, 5)  # a log that was written anew
    with pytest.raises(DataError, match="written anew"):
        CorrectionLog(path).verify(head)


@pytest.mark.parametrize(
    ("line", "message"),
    [("[]", "no object"), ("{", "not valid JSON"), ("{}", "missing or not known"), ("cut", "not valid JSON")],
)
def test_damage_names_the_line(tmp_path: Path, line: str, message: str) -> None:
    path = tmp_path / "log.jsonl"
    log = filled(path, 1)
    with path.open("a") as file:
        file.write(line + "\n")
    with pytest.raises(DataError, match=message) as raised:
        log.append([Correction("1", "a", "b", "", "ann")])
    assert "line 2" in str(raised.value)


def test_half_a_line_is_named(tmp_path: Path) -> None:
    path = tmp_path / "log.jsonl"
    log = filled(path)
    path.write_bytes(path.read_bytes()[:-5])
    with pytest.raises(DataError, match="line 4 was cut short"):
        log.verify()


def test_who_and_what_are_needed(tmp_path: Path) -> None:
    log = CorrectionLog(tmp_path / "log.jsonl")
    with pytest.raises(DataError, match="nobody vouches"):
        log.append([Correction("1", "a", "b", "", " ")])
    with pytest.raises(DataError, match="is 'b' already"):
        log.append([Correction("1", "a", "b", "", "ann"), Correction("2", "b", "b", "", "ann")])
    assert log.verify() == 0


def _write(path: Path, name: str) -> None:
    for number in range(10):
        CorrectionLog(path).append([Correction(str(number), "a", "b", "", name)])


def test_writers_wait_for_each_other(tmp_path: Path) -> None:
    path = tmp_path / "log.jsonl"
    context = multiprocessing.get_context("fork")
    writers = [context.Process(target=_write, args=(path, f"w{n}")) for n in range(3)]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
    assert CorrectionLog(path).verify() == 30
