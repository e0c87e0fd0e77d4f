"""Hashes agree with the published standard and do not depend on spelling."""

from __future__ import annotations

from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from luthier.core.hashing import canonical_json, fingerprint, hash_bytes, hash_file

# FIPS 180-2, appendix B.1 and B.3: SHA-256 of "abc" and of a million times "a"
ABC = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
MILLION_A = "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0"

values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


def test_published_values(tmp_path: Path) -> None:
    assert hash_bytes(b"abc") == ABC
    (tmp_path / "a").write_bytes(b"a" * 1_000_000)
    assert hash_file(tmp_path / "a") == MILLION_A


def test_the_order_of_keys_does_not_count_and_that_of_entries_does() -> None:
    assert fingerprint({"a": 1, "b": 2}) == fingerprint({"b": 2, "a": 1})
    assert fingerprint([1, 2]) != fingerprint([2, 1])
    assert fingerprint("a", "b") != fingerprint("ab")
    assert canonical_json({"b": "é", "a": 1}) == '{"a":1,"b":"é"}'


@given(values, values)
def test_different_values_have_different_fingerprints(one: object, two: object) -> None:
    assert (fingerprint(one) == fingerprint(two)) == (canonical_json(one) == canonical_json(two))
