"""The sealed map: what was replaced comes back with the key, and with nothing less."""

import json

import pytest

from luthier.core.errors import DataError
from luthier.data.operators.batch import batches_of_rows
from luthier.data.operators.execute import apply
from luthier.data.pii.detect import PLAIN_KINDS
from luthier.data.pii.operator import PersonalData
from luthier.data.pii.report import PiiReport, collected
from luthier.data.pii.restore import Restore
from luthier.data.pii.vault import read_map, seal, writing_map
from tests.data.pii.sentences import sentences


@pytest.fixture(autouse=True)
def _key(monkeypatch):
    monkeypatch.setenv("LUTHIER_PII_KEY", "a" * 40)


def _map_of(texts, path, **options):
    operator = PersonalData("pseudonymise", keeps_map=True, **options)
    batches = batches_of_rows(
        enumerate(({"text": text} for text in texts), start=1), ["text"], source="x", batch_rows=50
    )
    with writing_map(path) as append:
        done = list(collected(apply(batches, [operator]), PiiReport(), on_sealed=append))
    return [text for batch in done for row in batch["texts"].to_pylist() for text in row]


def test_every_text_comes_back(tmp_path):
    texts = [sentence.text for sentence in sentences(400, seed=5)]
    replaced = _map_of(texts, tmp_path / "map.jsonl", min_certainty="uncertain")
    assert replaced != texts
    restored = Restore(tmp_path / "map.jsonl").restored(replaced)
    wide = str.maketrans("０１２３４５６７８９", "0123456789")
    assert [text.translate(wide) for text in restored] == [text.translate(wide) for text in texts]
    assert Restore(tmp_path / "map.jsonl").restored(["nothing here"]) == ["nothing here"]


def test_the_map_tells_nothing_without_the_key(tmp_path, monkeypatch):
    path = tmp_path / "map.jsonl"
    _map_of(["电话13812345678"], path)
    assert "1381234" not in path.read_text()
    monkeypatch.setenv("LUTHIER_PII_KEY", "b" * 40)
    with pytest.raises(DataError, match="another key"):
        read_map(path)


def test_a_changed_or_shortened_map_is_refused(tmp_path):
    path = tmp_path / "map.jsonl"
    _map_of([f"电话138{n:08d}" for n in range(200)], path)
    lines = path.read_text().splitlines()
    assert len(lines) == 6
    path.write_text("\n".join(lines[:-1]))
    with pytest.raises(DataError, match="cut short: 4 chunks"):
        read_map(path)
    path.write_text("\n".join([lines[0], *lines[2:]]))
    with pytest.raises(DataError, match="cut short: 3 chunks"):
        read_map(path)
    changed = json.loads(lines[1])
    changed["sealed"] = (
        changed["sealed"][:40] + ("A" if changed["sealed"][40] != "A" else "B") + changed["sealed"][41:]
    )
    path.write_text("\n".join([lines[0], json.dumps(changed), *lines[2:]]))
    with pytest.raises(DataError, match=r"line 2.*was changed"):
        read_map(path)
    path.write_text('{"text": "x"}\n')
    with pytest.raises(DataError, match="is not a map"):
        read_map(path)
    with pytest.raises(DataError, match=r"a \.jsonl file"), writing_map(tmp_path / "map.bin"):
        pass


def test_a_substitute_that_two_share_stays(tmp_path):
    path = tmp_path / "map.jsonl"
    with writing_map(path) as append:
        append(seal([("name", "赵伟", "王小明"), ("name", "钱伟", "李雷")]))
        append(seal([("name", "赵伟", "韩梅梅")]))
    restore = Restore(path)
    assert restore.restored(["赵伟和钱伟"]) == ["赵伟和李雷"]
    assert restore.num_shared == 1


def test_a_substitute_inside_a_longer_number_is_another_number(tmp_path):
    path = tmp_path / "map.jsonl"
    with writing_map(path) as append:
        append(seal([("phone", "13900000000", "13812345678"), ("phone", "139", "110")]))
    assert Restore(path).restored(["913900000000", "打13900000000吧", "vx139", "1390"]) == [
        "913900000000",
        "打13812345678吧",
        "vx110",
        "1390",
    ]


def test_names_come_back_too(tmp_path):
    texts = ["我叫王小明，电话13812345678", "Dear Mr. John Smith,"]
    replaced = _map_of(texts, tmp_path / "map.jsonl", kinds=(*PLAIN_KINDS, "name"), min_certainty="uncertain")
    assert "王小明" not in replaced[0] and "Smith" not in replaced[1]
    assert Restore(tmp_path / "map.jsonl").restored(replaced) == texts
