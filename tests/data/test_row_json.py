"""JSON of rows: every value comes back, as Python's own reader and writer would have it."""

import datetime
import json

import pyarrow
import pytest
from hypothesis import given
from hypothesis import strategies as st

from luthier.data.row_json import Json, dumps, loads, loads_all, loads_texts

_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(),  # text() makes halves of surrogate pairs, too
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=10,
)


@given(_values)
def test_what_is_written_is_read_by_python_and_by_us(value):
    data = dumps(value)
    expected = json.dumps(value)
    assert json.dumps(json.loads(data)) == expected
    assert json.dumps(loads(data)) == expected
    assert b"\n" not in data


@given(_values)
def test_what_python_writes_is_read(value):
    for ensure_ascii in (True, False):
        text = json.dumps(value, ensure_ascii=ensure_ascii)
        try:
            data = text.encode()
        except UnicodeEncodeError:
            continue
        assert json.dumps(loads(data)) == json.dumps(value)
        assert json.dumps(loads_all(pyarrow.array([data, b"1"], pyarrow.string()))[0]) == json.dumps(value)


def test_long_integers_keep_their_digits():
    data = b'{"id": 123456789012345678901234567890}'
    assert loads(data) == {"id": 123456789012345678901234567890}
    assert loads_texts(data) != loads(data)  # orjson makes a float of it, which is why `loads` looks first
    assert dumps(loads(data)) == data


@pytest.mark.parametrize("data", [b"{", b"\xff", b'{"a": 01}', b"[1,]", b"nul"])
def test_what_is_no_json_is_refused(data):
    with pytest.raises(ValueError):
        loads(data)


def test_values_without_a_form_in_json():
    row = {"day": datetime.date(2024, 2, 29), "bytes": b"\x00\xff", "raw": Json(b'{"a":  1}')}
    assert dumps(row) == b'{"day":"2024-02-29","bytes":"AP8=","raw":{"a":  1}}'
