"""Cleaning: speed by operator, peak memory on a large file, and how well mojibake is repaired.

    clean.py                      microseconds a row of reading, each rewriter and writing; rows/s with processes
    clean.py --gigabytes 5        cleans a generated JSONL of that size: time and peak memory of all processes
    clean.py --gigabytes 5 --only-generate     makes that file and no more, for a later call without this option
    clean.py --mojibake           GBK mojibake of the public data sets: repaired, and good text touched

The generated rows are sentences, English and Chinese, a few of them damaged; no two files differ. Memory is the
resident memory of the command and its processes, read every 50 ms; pages that processes share count each time.
"""

from __future__ import annotations

import argparse
import csv
import json
import random
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psutil

from luthier.data.clean.build import rewriters_of
from luthier.data.clean.chain import CleanTexts
from luthier.data.clean.gbk_mojibake import RepairGbk
from luthier.data.operators.execute import apply
from luthier.data.operators.files import open_batches, open_lines, render, write_batches
from luthier.recipe.data_sections.clean import CleanSection

SHARED = Path(__file__).resolve().parents[3] / "shared" / "data"
KEYS: dict[str, Any] = {
    "unicode": True,
    "control_characters": True,
    "markup": "html",
    "urls": "mask",
    "emoji": "remove",
    "width": "alphanumeric",
    "chinese_script": "t2s",
    "lowercase": True,
    "stop_words": ["en", "zh"],
    "segment": True,
    "white_space": "collapse",
}
STANDARD = ["--unicode", "--control-characters", "--white-space", "collapse"]
_PLAIN = (
    "The parcel arrived two days late, but the shop answered every question within an hour.",
    "这家酒店的位置非常好，房间干净整洁，早餐种类也很丰富，下次还会再来。",
    "Please send the invoice to the address below and keep a copy for your own records.",
    "客服态度很好，退款当天就到账了，只是物流信息更新得慢了一点。",
    "我用Python写了一个小程序，把三年的订单按月份汇总成一张表。",
    "Nobody could explain why the second experiment gave a different result from the first.",
)
_DAMAGED = (
    "schÃ¶n, dÃ©jÃ  vu and naÃ¯ve cafÃ©s",
    "浣犲ソ锛屼笘鐣岋紝浣犲ソ",
    "  too   many \t blanks \r\n\r\n\r\n\r\n here  ",
    "a control\x00 character and a\u200bzero\u200bwidth\ufeff one",
)


def main() -> None:
    """Run one of the measurements."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--rows", type=int, default=200_000, help="of the speed measurement")
    parser.add_argument("--gigabytes", type=float)
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--folder", type=Path, default=Path(tempfile.gettempdir()), help="for the large file")
    parser.add_argument("--only-generate", action="store_true")
    parser.add_argument("--mojibake", action="store_true")
    options = parser.parse_args()
    if options.mojibake:
        mojibake()
    elif options.only_generate:
        generate(options.folder / "luthier-bench-in.jsonl", options.gigabytes)
    elif options.gigabytes:
        memory(options.folder, options.gigabytes, options.processes)
    else:
        speed(options.rows)


def lines(seed: int = 0) -> Iterator[str]:
    """Yield rows of JSONL, without end."""
    generator = random.Random(seed)
    number = 0
    while True:
        sentences = generator.choices(_PLAIN, k=generator.choice((1, 2, 3)))
        if generator.random() < 0.05:
            sentences.append(generator.choice(_DAMAGED))
        text = " ".join((f"{number}:", *sentences))
        yield json.dumps({"id": number, "text": text, "label": number % 7}, ensure_ascii=False) + "\n"
        number += 1


def speed(num_rows: int) -> None:
    """Print microseconds a row, in processor time of one process, and rows/s of the whole."""
    with tempfile.TemporaryDirectory() as folder:
        source, output = Path(folder) / "in.jsonl", Path(folder) / "out.jsonl"
        with source.open("w", encoding="utf-8") as file:
            file.writelines(line for _, line in zip(range(num_rows), lines(), strict=False))
        batches = list(open_batches(source, ["text"]))
        cleaned = [CleanTexts(tuple(rewriters_of(CleanSection(lowercase=True))))(batch) for batch in batches]
        print(f"{'what':<28}{'us/row':>8}")
        print_time("read into batches", num_rows, lambda: list(open_batches(source, ["text"])))
        for key, value in KEYS.items():
            clean = CleanTexts(tuple(rewriters_of(CleanSection.model_validate({key: value}))))
            clean(batches[0])  # dictionaries are loaded once
            some = batches[:5]
            print_time(
                key, sum(map(len, some)), lambda clean=clean, some=some: [clean(batch) for batch in some]
            )
        print_time("write, no row changed", num_rows, lambda: write_batches(batches, output))
        print_time("write, half the rows changed", num_rows, lambda: write_batches(cleaned, output))
        clean = CleanTexts(
            tuple(rewriters_of(CleanSection(unicode=True, control_characters=True, white_space="collapse")))
        )
        for processes in (1, 2):
            start = time.perf_counter()
            rows, first = open_lines(source, ["text"])
            write_batches(apply(rows, [*first, clean, render], num_processes=processes), output)
            seconds = time.perf_counter() - start
            print(f"file to file, {processes} process(es): {num_rows / seconds:,.0f} rows/s, {seconds:.1f} s")


def print_time(name: str, num_rows: int, work: Callable[[], Any]) -> None:
    """Print what a piece of work costs."""
    start = time.process_time()
    work()
    print(f"{name:<28}{(time.process_time() - start) / num_rows * 1e6:8.2f}")


def generate(source: Path, gigabytes: float) -> None:
    """Write a file of a given size."""
    size = 0
    with source.with_suffix(".partial").open("w", encoding="utf-8") as file:
        for line in lines():
            size += len(line.encode())
            if size > gigabytes * 1e9:
                break
            file.write(line)
    source.with_suffix(".partial").rename(source)


def memory(folder: Path, gigabytes: float, processes: int) -> None:
    """Clean a file of a given size by the command, and print its peak memory."""
    source, output = folder / "luthier-bench-in.jsonl", folder / "luthier-bench-out.jsonl"
    try:
        if not source.is_file():
            generate(source, gigabytes)
        arguments = ["data", "clean", str(source), "-o", str(output), "--json", *STANDARD]
        command = [sys.executable, "-m", "luthier", *arguments, "--processes", str(processes)]
        start = time.perf_counter()
        with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
            peak = Peak(process.pid)
            facts = json.loads(process.communicate()[0])
        seconds = time.perf_counter() - start
        with source.open("rb") as file:
            num_rows = sum(1 for _ in file)
        assert facts["rows"] == num_rows == facts["kept"] + sum(facts["left_out"].values())
        rate = f"{num_rows / seconds:,.0f} rows/s, {gigabytes * 1e3 / seconds:.0f} MB/s"
        print(f"{gigabytes} GB, {num_rows:,} rows, {facts['changed']:,} changed: {seconds:,.0f} s, {rate}")
        print(
            f"peak memory of {processes + 1 if processes > 1 else 1} process(es): {peak.stop() / 1e6:,.0f} MB"
        )
    finally:
        for path in folder.glob("luthier-bench-*"):
            path.unlink()


class Peak:
    """Watches the resident memory of a process and of those that it started."""

    def __init__(self, pid: int) -> None:
        self._most = 0
        self._is_done = threading.Event()
        self._thread = threading.Thread(target=self._watch, args=(psutil.Process(pid),), daemon=True)
        self._thread.start()

    def _watch(self, process: psutil.Process) -> None:
        while not self._is_done.wait(0.05):
            total = 0
            try:
                for each in (process, *process.children(recursive=True)):
                    total += each.memory_info().rss
            except psutil.Error:
                continue
            self._most = max(self._most, total)

    def stop(self) -> int:
        """Return the peak in bytes."""
        self._is_done.set()
        self._thread.join()
        return self._most


def mojibake() -> None:
    """Print how much GBK mojibake is repaired, and how much good text is touched."""
    repair = RepairGbk()
    chinese, english = _texts()
    print(
        f"good text touched: {sum(repair(t) != t for t in chinese + english)} of {len(chinese + english):,}"
    )
    for name, spoil in (
        ("UTF-8 read as GBK, no byte lost", lambda text: text.encode().decode("gb18030")),
        ("GBK read as Latin-1", lambda text: text.encode("gbk").decode("latin-1")),
        ("GBK read as Windows-1252", lambda text: text.encode("gbk").decode("cp1252")),
    ):
        pairs = []
        for text in chinese:
            try:
                pairs.append((text, spoil(text)))
            except UnicodeError:
                continue
        exact = sum(repair(spoilt) == text for text, spoilt in pairs) / len(pairs)
        print(f"{name}: {exact:.1%} of {len(pairs):,} texts restored exactly")
    spoilt = [(text, repair(text.encode().decode("gb18030", "replace"))) for text in chinese]
    right = sum(_all_known_right(text, repaired) for text, repaired in spoilt) / len(spoilt)
    lost = sum(repaired.count("\ufffd") for _, repaired in spoilt) / sum(map(len, chinese))
    print(
        f"UTF-8 read as GBK with bytes lost: {right:.1%} right but for {lost:.1%} of the characters, which are lost"
    )


def _all_known_right(text: str, repaired: str) -> bool:
    pairs = zip(text, repaired, strict=False)
    return len(text) == len(repaired) and all(found in (true, "\ufffd") for true, found in pairs)


def _texts() -> tuple[list[str], list[str]]:
    """Return Chinese and English texts of the public data sets."""
    with (SHARED / "classification/coldataset_zh_train.csv").open(encoding="utf-8-sig", newline="") as file:
        chinese = [row["TEXT"] for row in csv.DictReader(file)]
    english = [json.loads(line)["text"] for line in (SHARED / "text/c4_demo.jsonl").open(encoding="utf-8")]
    for language, texts in (("zh", chinese), ("en", english)):
        data = json.loads((SHARED / f"qa/xquad_{language}.json").read_text(encoding="utf-8"))["data"]
        texts += [paragraph["context"] for entry in data for paragraph in entry["paragraphs"]]
    return [text for text in chinese if "\ufffd" not in text], english


if __name__ == "__main__":
    main()
