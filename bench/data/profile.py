"""Profile and balance: rows/s and peak memory of the commands, beside pandas, which describes columns only.

    profile.py                    200,000 rows and five times as many: time, peak memory, and memory a row
    profile.py --rows 50000       other sizes

The generated rows are short English and Chinese texts with a label, a topic, and an age; a twelfth has the rare label.
Times are wall-clock with the start of Python; memory is the resident memory of the process and those it starts. pandas
reads the same file and calls `describe(include="all")` and `value_counts` of label and topic: it tells neither lengths,
languages, repeats, ties between columns, nor drift.
"""

from __future__ import annotations

import argparse
import json
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from clean import Peak

_WORDS = "river mountain candle visitor journey quiet morning window garden letter winter harbour summer station bridge"
_SENTENCES = (
    "这家酒店的位置非常好，房间干净整洁",
    "客服态度很好，退款当天就到账了",
    "The parcel arrived two days late",
    "Nobody could explain the second experiment",
)
_PANDAS = """
import sys, pandas
rows = pandas.read_json(sys.argv[1], lines=True)
print(rows.describe(include="all"))
print(rows["label"].value_counts(), rows["topic"].value_counts())
"""


def main() -> None:
    """Print a line for each command and size."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--rows", type=int, default=200_000)
    options = parser.parse_args()
    luthier = [sys.executable, "-m", "luthier", "data"]
    print(f"{'what':<44}{'rows':>10}{'rows/s':>10}{'MB':>7}")
    with tempfile.TemporaryDirectory(prefix="bench-profile-") as name:
        folder = Path(name)
        for count in (options.rows, 5 * options.rows):
            source, output = folder / f"{count}.jsonl", folder / "out.jsonl"
            with source.open("w", encoding="utf-8") as file:
                file.writelines(json.dumps(row, ensure_ascii=False) + "\n" for row in rows(count))
            fields = ["--attribute", "topic", "--attribute", "age"]
            show("pandas: read, describe, value_counts", count, [sys.executable, "-c", _PANDAS, source])
            show(
                "luthier data profile --no-language",
                count,
                [*luthier, "profile", source, *fields, "--no-language"],
            )
            show("luthier data profile", count, [*luthier, "profile", source, *fields])
            for method in ("weights", "oversample", "undersample"):
                command = [*luthier, "balance", source, "-o", output, "--by", "label", "--by", "topic"]
                show(f"luthier data balance --method {method}", count, [*command, "--method", method])


def rows(count: int) -> Iterator[dict[str, Any]]:
    """Yield rows with three columns beside the text."""
    chance, known = random.Random(0), _WORDS.split()
    for number in range(count):
        words = " ".join(chance.choices(known, k=chance.randint(3, 12)))
        label = "rare" if chance.random() < 1 / 12 else chance.choice(("good", "bad"))
        topic = chance.choice(("hotel", "shop", "travel", "food"))
        text = f"{chance.choice(_SENTENCES)} {words} {number}"
        yield {"text": text, "label": label, "topic": topic, "age": chance.randint(16, 90)}


def show(what: str, count: int, command: Sequence[str | Path]) -> None:
    """Run a command and print its speed and peak memory."""
    start = time.perf_counter()
    with subprocess.Popen(list(map(str, command)), stdout=subprocess.DEVNULL) as process:
        peak = Peak(process.pid)
        if process.wait():
            raise SystemExit(f"{what} failed")
    seconds = time.perf_counter() - start
    print(f"{what:<44}{count:>10,}{count / seconds:>10,.0f}{peak.stop() / 1e6:>7,.0f}", flush=True)


if __name__ == "__main__":
    main()
