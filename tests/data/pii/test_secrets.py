"""Secrets: the cheap test lets through whatever a plugin of detect-secrets would find."""

import pyarrow
import pyarrow.compute
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from luthier.data.pii.secrets import HINT, _plugins, find
from luthier.data.sources import read_rows

_PATTERNS = [
    pytest.param(plugin, pattern, id=f"{plugin.secret_type} {number}")
    for plugin in _plugins()
    for number, pattern in enumerate(getattr(plugin, "denylist", ()))
]


def _is_worth(line):
    return pyarrow.compute.match_substring_regex(pyarrow.array([line.encode("utf-8", "replace")]), HINT)[
        0
    ].as_py()


_ASCII = st.characters(max_codepoint=127)


@pytest.mark.parametrize(("plugin", "pattern"), _PATTERNS)
@settings(max_examples=20)
@given(st.data())
def test_every_pattern_passes_the_cheap_test(plugin, pattern, data):
    line = data.draw(st.from_regex(pattern, alphabet=_ASCII)).replace("\n", " ").replace("\x00", " ")
    if any(plugin.analyze_string(line)):
        assert _is_worth(line)
        assert list(find(line))


@pytest.mark.parametrize(
    "line",
    [
        "password = 'hunter22'",
        'db_pass: "s3cr3t-value"',
        'API_KEY="abcdefgh"',
        "if 'topsecret1' == my_password",
        "clientkey => `abc12345`",
    ],
)
def test_values_that_only_a_word_points_at_are_uncertain(line):
    keyword = next(plugin for plugin in _plugins() if plugin.secret_type == "Secret Keyword")
    assert any(keyword.analyze_string(line)) == bool(list(find(line)))
    assert {finding.certainty for finding in find(line)} <= {"uncertain"}


def test_real_lines_lose_nothing(shared_data):
    lines = []
    for name in (
        "text/c4_demo.jsonl",
        "instruction/alpaca_en_demo.json",
        "instruction/glaive_toolcall_en_demo.json",
    ):
        for _, row in read_rows(shared_data / name):
            lines += str(row).replace("\\n", "\n").splitlines()
    found = [line for line in lines if any(any(plugin.analyze_string(line)) for plugin in _plugins())]
    assert len(found) > 5
    assert all(map(_is_worth, found))
