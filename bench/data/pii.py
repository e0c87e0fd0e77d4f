"""Personal data: how fast it is found and masked, alone and from file to file, and how well, beside Presidio.

    pii.py speed              rows/s of the recognisers alone and of `luthier data pii`, over one and two processes
    pii.py quality            recall and precision in running text, Luthier and Presidio on the same sentences

Rows are short sentences in English and Chinese, of which a tenth holds personal data and a tenth other numbers. Times
are wall-clock and include the start of Python where a command is run. Presidio runs in a virtual environment of its
own, made on first use, over the first rows only (--presidio-rows 0: not at all); it knows no Chinese identity cards and
no company codes.
"""

from __future__ import annotations

import argparse
import json
import random
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
PRESIDIO = HERE.parent / ".venvs" / "presidio"
KINDS = ("identity_card", "company_code", "bank_card", "phone")
sys.path.insert(0, str(ROOT))

from tests.data.pii.sentences import other, sentences  # noqa: E402

from luthier.data.pii.detect import Detector  # noqa: E402
from luthier.data.pii.finding import is_at_least  # noqa: E402

_WORDS = """
请问这个怎么退货呢
今天天气很好我们去公园散步吧
The order arrived late and the box was open.
谢谢您的耐心等待
How do I reset my account settings on the phone app?
我觉得这部电影的结局有点仓促
Could you explain it again?
老师说明天要带课本和作业
I would like to change the delivery address, please.
价格比上次便宜了不少
没问题，马上处理
""".strip().splitlines()


def main() -> None:
    """Run what the command line names."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("what", choices=["speed", "quality"])
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--presidio-rows", type=int, default=2_000)
    options = parser.parse_args()
    {"speed": speed, "quality": quality}[options.what](options)


def speed(options: argparse.Namespace) -> None:
    """Print rows/s."""
    import pyarrow

    texts = list(_texts(options.rows))
    print(f"{len(texts):,} rows, {sum(map(len, texts)) / len(texts):.0f} characters each on average")
    detector = Detector()
    detector.find_all(texts[:2000])
    started = time.perf_counter()
    num_found = num_looked = 0
    for first in range(0, len(texts), 2000):
        some = pyarrow.array(texts[first : first + 2000])
        looked = some.filter(detector.worth_looking(some)).to_pylist()
        num_looked += len(looked)
        num_found += sum(map(bool, detector.find_all(looked)))
    _line("recognisers alone, 1 process", len(texts), time.perf_counter() - started)
    print(f"  past the cheap test {num_looked:,}, with findings {num_found:,}")
    with tempfile.TemporaryDirectory(prefix="bench-pii-") as folder:
        source, output = Path(folder) / "in.jsonl", Path(folder) / "out.jsonl"
        with source.open("w", encoding="utf-8") as file:
            for text in texts:
                file.write(json.dumps({"text": text}, ensure_ascii=False) + "\n")
        for processes in (1, 2):
            command = [sys.executable, "-m", "luthier", "data", "pii", source, "-o", output, "--json"]
            started = time.perf_counter()
            subprocess.run([*command, "--processes", str(processes)], check=True, stdout=subprocess.DEVNULL)
            _line(f"luthier data pii -o, {processes} process(es)", len(texts), time.perf_counter() - started)
    if few := texts[: options.presidio_rows]:
        _line("Presidio alone, 4 kinds, 1 process", len(few), _presidio(few)["seconds"])


def quality(options: argparse.Namespace) -> None:
    """Print recall and precision by kind."""
    made = list(sentences(options.presidio_rows, seed=11))
    texts = [sentence.text for sentence in made]
    ours = [
        {(f.kind, f.start, f.end) for f in some if is_at_least(f.certainty, "pattern")}
        for some in Detector().find_all(texts)
    ]
    theirs = [{tuple(entry) for entry in some} for some in _presidio(texts)["found"]]
    print(f"{'engine':10}{'kind':16}{'there':>8}{'found':>8}{'recall':>9}{'precision':>11}")
    for name, found in (("luthier", ours), ("presidio", theirs)):
        counts: Counter[tuple[str, str]] = Counter()
        for sentence, some in zip(made, found, strict=True):
            gold = set(sentence.gold)
            counts.update((kind, "there") for kind, *_ in gold)
            counts.update((kind, "found") for kind, *_ in some)
            counts.update((kind, "right") for kind, *_ in some & gold)
        for kind in KINDS:
            there, num, right = (counts[kind, what] for what in ("there", "found", "right"))
            precision = f"{right / num:.4f}" if num else "-"
            print(f"{name:10}{kind:16}{there:>8,}{num:>8,}{right / there:>9.4f}{precision:>11}")


def _texts(count: int) -> Iterator[str]:
    """Yield short rows: a tenth with personal data, a tenth with other numbers."""
    chance = random.Random(0)
    personal = [s.text for s in sentences(8_000, seed=0) if len(s.gold) == 1]
    numbers = [other(chance) for _ in range(4_000)]
    for _ in range(count):
        words = " ".join(chance.choice(_WORDS) for _ in range(chance.randint(1, 4)))
        draw = chance.random()
        extra = chance.choice(personal) if draw < 0.1 else chance.choice(numbers) if draw < 0.2 else ""
        yield words + extra


def _presidio(texts: list[str]) -> dict[str, Any]:
    if not (PRESIDIO / "installed").is_file():
        subprocess.run([sys.executable, "-m", "venv", PRESIDIO], check=True)
        pip = [PRESIDIO / "bin" / "python", "-m", "pip", "install", "--quiet", "presidio-analyzer==2.2.366"]
        subprocess.run(pip, check=True)
        (PRESIDIO / "installed").touch()
    with tempfile.TemporaryDirectory(prefix="bench-presidio-") as folder:
        given, found = Path(folder) / "texts.json", Path(folder) / "found.json"
        given.write_text(json.dumps(texts, ensure_ascii=False), encoding="utf-8")
        script = HERE / "engines" / "presidio_engine.py"
        subprocess.run(
            [PRESIDIO / "bin" / "python", script, given, found], check=True, stderr=subprocess.DEVNULL
        )
        return dict(json.loads(found.read_text()))


def _line(what: str, rows: int, seconds: float) -> None:
    print(f"{what:38}{rows / seconds:>10,.0f} rows/s{seconds:>9.2f} s")


if __name__ == "__main__":
    main()
