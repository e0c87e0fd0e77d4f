"""Presidio's published cases and those of the check-digit standards: every one must come out as expected."""

import json

import pyarrow
import pytest

from luthier.data.pii import company_code, foreign_identity, identity_card
from luthier.data.pii.checks import luhn_digit, luhn_sum, mod_11_2_digit
from luthier.data.pii.detect import Detector
from tests.conftest import SHARED_VECTORS

_FILE = SHARED_VECTORS / "28_pii_recognisers.json"
_CASES = json.loads(_FILE.read_text(encoding="utf-8"))["records"] if _FILE.is_file() else []
_KINDS = {
    "detect_IBAN": "iban",
    "detect_IP": "ip_address",
    "detect_CREDIT_CARD": "bank_card",
    "detect_PHONE": "phone",
    "detect_EMAIL": "email",
}
_FINDERS = {"detect_KR_RRN": foreign_identity.find_korean, "detect_US_SSN": foreign_identity.find_us}
_CHECKS = {
    "luhn_checksum": luhn_sum,
    "luhn_check_digit": luhn_digit,
    "iso7064_mod_11_2_check_digit": mod_11_2_digit,
}
_FAULTS = {
    "cn_resident_id_GB11643": (
        identity_card.fault_of,
        {
            "InvalidFormat": "format",
            "InvalidChecksum": "check_digit",
            "InvalidComponent: unknown place code": "region",
            "InvalidComponent: county not registered at birth year": "county_at_birth",
        },
    ),
    # python-stdnum wants digits first; GB 32100 allows the letter, and the check digit then fails.
    "cn_uscc_GB32100": (company_code.fault_of, {"InvalidFormat": "check_digit"}),
}


@pytest.mark.skipif(not _CASES, reason=f"known answers are not at {_FILE}")
def test_the_cases_are_all_there():
    assert len(_CASES) == 342
    assert {case["function"] for case in _CASES} == {*_KINDS, *_FINDERS, *_CHECKS, *_FAULTS}


@pytest.mark.parametrize("case", _CASES, ids=lambda case: str(case["input"])[:60])
def test_published_case(case):
    function, given, expected = case["function"], case["input"], case["expected"]
    if function in _KINDS:
        detector = Detector([_KINDS[function]])
        found = detector.find_all([given["text"]])[0]
        assert [[finding.start, finding.end] for finding in found] == expected["spans"]
        assert detector.worth_looking(pyarrow.array([given["text"]]))[0].as_py() or not found
    elif function in _FINDERS:
        found = _FINDERS[function](given["text"])
        assert [[finding.start, finding.end] for finding in found] == expected["spans"]
    elif function in _CHECKS:
        assert _CHECKS[function](given["number"]) == expected
    else:
        fault_of, faults = _FAULTS[function]
        fault = fault_of(given["number"])
        assert fault is None if expected.startswith("valid") else fault == faults[expected]
