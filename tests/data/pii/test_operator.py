"""The operator over batches: each action, what leaves with the rows, and that nothing stays where it should not."""

import json
import pickle

import pyarrow
import pytest

from luthier.core.errors import DataError
from luthier.data.operators.batch import batches_of_rows, leave_out, rewrite_texts, rows_of
from luthier.data.operators.execute import apply
from luthier.data.operators.files import open_batches, open_lines, render, write_batches
from luthier.data.pii.actions import partly_masked
from luthier.data.pii.detect import find
from luthier.data.pii.operator import OPERATOR, PersonalData
from luthier.data.pii.report import PiiReport, collected
from luthier.data.pii.section import operators_of
from luthier.recipe.data_sections import pii as section_module
from luthier.recipe.data_sections.pii import PiiSection
from tests.data.pii.sentences import sentences

_CARD, _PHONE = "110102199101010078", "13812345678"
_ROWS = [
    {"text": f"身份证{_CARD}电话{_PHONE}", "label": 1},
    {"text": "没有", "label": 2},
    {"text": "写信到li@corp.cn或bob@example.com", "label": 3},
    {"other": f"电话{_PHONE}"},
    {"text": "", "label": 4},
]
_KEY = "0123456789abcdef0123456789abcdef"


@pytest.fixture(autouse=True)
def _no_key(monkeypatch):
    monkeypatch.delenv("LUTHIER_PII_KEY", raising=False)


def _batches(rows=_ROWS, fields=("text",), batch_rows=2000):
    return batches_of_rows(enumerate(rows, start=1), fields, source="in.jsonl", batch_rows=batch_rows)


def _run(operator, rows=_ROWS, before=(), **options):
    report = PiiReport()
    batches = list(collected(apply(_batches(rows, **options), [*before, operator]), report))
    return batches, report


def _texts(batches):
    return [text for batch in batches for row in batch["texts"].to_pylist() for text in row]


def test_report_changes_nothing_and_counts():
    batches, report = _run(PersonalData())
    assert batches == list(_batches())
    assert report.as_json() == {
        "rows": 5,
        "rows_with_findings": 2,
        "findings": [
            {"kind": "email", "certainty": "pattern", "action": "report", "count": 1},
            {"kind": "email", "certainty": "uncertain", "action": "report", "count": 1},
            {"kind": "identity_card", "certainty": "checked", "action": "report", "count": 1},
            {"kind": "phone", "certainty": "pattern", "action": "report", "count": 1},
        ],
        "numbers": 0,
        "examples": report.examples,
    }
    assert report.examples["phone"] == [
        {
            "source": "in.jsonl",
            "row": 1,
            "path": "/text",
            "kind": "phone",
            "certainty": "pattern",
            "action": "report",
            "start": 23,
            "end": 34,
            "excerpt": "1*********8",
        }
    ]
    assert report.by_kind() == {"identity_card": 1, "email": 2, "phone": 1}


def test_a_report_without_the_places_of_all_counts_the_same():
    rows = [{"text": f"电话138{n:08d}或139{n:08d}"} for n in range(9)]
    listed: list[dict] = []
    reports = []
    for lists_all in (True, False):
        report = PiiReport()
        operator = PersonalData("mask", lists_findings=lists_all)
        batches = collected(apply(_batches(rows, batch_rows=4), [operator]), report, on_finding=listed.append)
        assert all("138" not in text for text in _texts(batches))
        reports.append(report.as_json())
    assert reports[0] == reports[1] and reports[0]["rows_with_findings"] == 9
    assert len(listed) == 18 + 3 + 3 + 2  # all of them; the first three of each of three batches


@pytest.mark.parametrize("actions", [{}, {"phone": "drop"}])
def test_rows_that_are_passed_over_by_the_hint_make_the_same_files(tmp_path, actions):
    texts = [sentence.text for sentence in sentences(300, 5)] + [
        "nothing here",
        "",
        "密码是Abc123!@#xyz",
        "::1",
    ]
    rows = [
        {"text": text, "n": number, "more": {"list": [text[:40], None]}} for number, text in enumerate(texts)
    ]
    rows += [{"phone": int(_PHONE)}, {}, {"x": None}, [_PHONE]]
    source = tmp_path / "in.jsonl"
    source.write_text("".join(json.dumps(row, ensure_ascii=n % 3 == 0) + "\n" for n, row in enumerate(rows)))
    operator = PersonalData("mask", actions=actions, min_certainty="uncertain", numbers=("**",))
    blocks, first = open_lines(source, ["**"], hint=operator.hint, needs_text=False)
    ways = {
        "rows": (open_batches(source, ["**"], needs_text=False), [operator]),
        "blocks": (blocks, [*first, operator, render]),
    }
    results = []
    for name, (batches, operators) in ways.items():
        report = PiiReport()
        write_batches(collected(apply(batches, operators), report), tmp_path / name / "out.jsonl")
        results.append((report.as_json(), {p.name: p.read_bytes() for p in (tmp_path / name).iterdir()}))
    assert results[0] == results[1]
    assert results[0][0]["rows_with_findings"] > 100


def test_reports_hold_values_only_when_asked():
    _, hidden = _run(PersonalData())
    _, shown = _run(PersonalData(shows_values=True))
    assert _PHONE not in json.dumps(hidden.as_json())
    assert shown.examples["phone"][0]["excerpt"] == _PHONE


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({"action": "mask"}, "身份证[IDENTITY_CARD]电话[PHONE]"),
        ({"action": "partial"}, "身份证11**************78电话1*********8"),
        ({"action": "mask", "kinds": ("phone",)}, f"身份证{_CARD}电话[PHONE]"),
        ({"action": "mask", "actions": {"phone": "report"}}, f"身份证[IDENTITY_CARD]电话{_PHONE}"),
        ({"action": "report", "actions": {"phone": "mask"}}, f"身份证{_CARD}电话[PHONE]"),
        ({"action": "mask", "min_certainty": "checked"}, f"身份证[IDENTITY_CARD]电话{_PHONE}"),
    ],
)
def test_action(options, expected):
    batches, report = _run(PersonalData(**options))
    assert _texts(batches)[0] == expected
    assert [row.get("label") for row in rows_of(batches[0])] == [1, 2, 3, None, 4]
    assert report.rows_with_findings >= 1


def test_uncertain_findings_stay_unless_asked_for():
    assert _texts(_run(PersonalData("mask"))[0])[2] == "写信到[EMAIL]或bob@example.com"
    assert _texts(_run(PersonalData("mask", min_certainty="uncertain"))[0])[2] == "写信到[EMAIL]或[EMAIL]"


def test_masking_twice_changes_nothing():
    once = _texts(_run(PersonalData("mask"))[0])
    rows = [{"text": text} for text in once if text]
    assert _texts(_run(PersonalData("mask"), rows)[0]) == [text for text in once if text]
    partial = _texts(_run(PersonalData("partial"))[0])
    rows = [{"text": text} for text in partial if text]
    assert _texts(_run(PersonalData("partial"), rows)[0]) == [text for text in partial if text]


def test_a_dropped_row_stays_in_its_batch_without_what_it_was_dropped_for():
    batches, _ = _run(PersonalData("mask", actions={"identity_card": "drop"}))
    assert batches[0]["reason"].to_pylist() == [OPERATOR, None, None, "no_text", None]
    assert batches[0]["detail"][0].as_py() == "identity_card at /text"
    assert json.loads(batches[0]["raw"][0].as_py()) == {
        "text": "身份证[IDENTITY_CARD]电话[PHONE]",
        "label": 1,
    }


def test_what_was_masked_stays_nowhere_in_the_batch():
    def strip(batch):
        return rewrite_texts(batch, "strip", lambda texts: [text.replace("身份证", "证件") for text in texts])

    def leave_out_third(batch):
        return leave_out(batch, lambda rows: [("short", "x") if "bob" in row[0] else None for row in rows])

    rows = [*_ROWS, {"text": f"又{_PHONE}", "list": [{"deep": f"{_PHONE}"}]}, [_PHONE], _PHONE]
    batches, _ = _run(
        PersonalData("mask", min_certainty="uncertain"), rows, [strip, leave_out_third], fields=("**",)
    )
    everything = json.dumps([batch.to_pylist() for batch in batches], ensure_ascii=False)
    for value in (_CARD, _PHONE, "li@corp.cn", "bob@example.com"):
        assert value not in everything
    changes = batches[0]["changes"].to_pylist()
    assert changes[0] == [
        {"operator": "strip", "path": "/text", "before": "身份证[IDENTITY_CARD]电话[PHONE]"},
        {"operator": OPERATOR, "path": "/text", "before": None},
    ]
    assert rows_of(batches[0])[5] == {"text": "又[PHONE]", "list": [{"deep": "[PHONE]"}]}


def test_processes_and_batch_sizes_change_nothing(monkeypatch):
    monkeypatch.setenv("LUTHIER_PII_KEY", _KEY)
    rows = [{"text": f"第{n}个电话138{n:08d}"} for n in range(300)]
    operator = PersonalData("pseudonymise", keeps_map=True)
    alone, reports = [], [PiiReport(), PiiReport()]
    sealed = []
    for batch in collected(apply(_batches(rows, batch_rows=300), [operator]), reports[0]):
        alone.append(batch)
    spread = apply(_batches(rows, batch_rows=100), [operator], num_processes=2)
    spread = list(collected(spread, reports[1], on_sealed=sealed.append))
    assert _texts(alone) == _texts(spread)
    assert reports[0].as_json() == reports[1].as_json()
    assert len(set(_texts(spread))) == len(sealed) * 100 == 300
    assert pyarrow.Table.from_batches(spread).num_rows == 300


def test_the_key_does_not_travel(monkeypatch):
    monkeypatch.setenv("LUTHIER_PII_KEY", _KEY)
    operator = PersonalData("pseudonymise")
    _run(operator)
    pickled = pickle.dumps(operator)
    assert _KEY.encode() not in pickled
    assert pickle.loads(pickled) == operator


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"action": "hide"}, "action 'hide'"),
        ({"kinds": ("telephone",)}, "kind 'telephone'"),
        ({"kinds": ()}, "no kind"),
        ({"min_certainty": "sure"}, "certainty 'sure'"),
        ({"kinds": ("email",), "actions": {"phone": "mask"}}, "phone, which is not looked for"),
        ({"keeps_map": True}, "a map is kept of substitutes only"),
        ({"action": "pseudonymise"}, "LUTHIER_PII_KEY, which holds the key, is not set"),
    ],
)
def test_what_cannot_take_effect_is_refused(options, message):
    with pytest.raises(DataError, match=message):
        PersonalData(**options)


def test_a_short_key_is_refused(monkeypatch):
    monkeypatch.setenv("MY_KEY", "secret")
    with pytest.raises(DataError, match="holds 6 bytes, 16 or more"):
        PersonalData("pseudonymise", key_env="MY_KEY")


@pytest.mark.parametrize(
    ("text", "kind", "expected"),
    [
        ("13812345678", "phone", "1*********8"),
        ("6222021234567890128", "bank_card", "62***************28"),
        ("zhang@qq.com", "email", "z***@qq.com"),
        ("li@corp.cn", "email", "***@corp.cn"),
        ("AKIA" + "IOSFODNN7EXAMPLE", "secret", "********"),
    ],
)
def test_a_partial_mask_leaves_at_most_a_quarter(text, kind, expected):
    finding = find(text, [kind])[0]
    assert partly_masked(finding) == expected


def test_the_section_makes_the_operator(monkeypatch):
    monkeypatch.setenv("K", _KEY)
    assert operators_of(PiiSection()) == []
    section = PiiSection.model_validate(
        {
            "action": "pseudonymise",
            "kinds": ["phone", "email"],
            "actions": {"email": "drop"},
            "min_certainty": "checked",
            "key_env": "K",
            "keep_map": True,
        }
    )
    assert operators_of(section) == [
        PersonalData(
            "pseudonymise",
            ("phone", "email"),
            {"email": "drop"},
            "checked",
            "K",
            True,
            lists_findings=False,
            numbers=("messages.*.tool_calls.*.arguments.**",),
        )
    ]


def test_the_section_knows_what_the_library_knows():
    from typing import get_args

    from luthier.data.pii.actions import ACTIONS
    from luthier.data.pii.detect import PLAIN_KINDS
    from luthier.data.pii.finding import KINDS

    assert get_args(section_module.PiiKind) == KINDS
    assert get_args(section_module.PiiAction) == ACTIONS
    assert tuple(PiiSection().kinds) == PLAIN_KINDS


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        ({"kinds": ["phone"]}, "kinds has no effect while action is off"),
        ({"action": "mask", "keep_map": True}, "keep_map has no effect"),
        ({"action": "mask", "key_env": "X"}, "key_env has no effect"),
        ({"action": "mask", "kinds": ["phone"], "actions": {"email": "drop"}}, "actions names email"),
        ({"action": "mask", "kinds": []}, "at least 1 item"),
    ],
)
def test_keys_that_cannot_take_effect_are_refused(keys, message):
    with pytest.raises(ValueError, match=message):
        PiiSection.model_validate(keys)
