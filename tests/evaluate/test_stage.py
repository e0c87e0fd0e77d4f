"""What the evaluate stage writes is JSON that every reader takes."""

from __future__ import annotations

import json
import math

from luthier.core.files import strict_json


def test_an_end_without_limit_is_null_in_the_report() -> None:
    content = {
        "metrics": [{"improvement": {"value": 15.0, "low": 2.0, "high": math.inf}}],
        "passed": True,
        "n": 3,
    }
    text = json.dumps(strict_json(content), allow_nan=False)
    assert json.loads(text) == {
        "metrics": [{"improvement": {"value": 15.0, "low": 2.0, "high": None}}],
        "passed": True,
        "n": 3,
    }
