"""Near duplicates planted among real texts: how many are found, how fast, in how much memory, beside peers.

    near_duplicates.py quality            recall and precision of Luthier at three thresholds, English and Chinese
    near_duplicates.py scaling            time and memory of Luthier at 125,000 to 1,000,000 short documents
    near_duplicates.py peers              Luthier, text-dedup, datatrove and datasketch on the same rows

The texts are those of ``../shared/data``; copies get random edits of characters or words. What is truly a duplicate is
told by sets of Python strings, apart from Luthier's code. Peers run in virtual environments of their own, which are
made on first use. Rows are made once and kept in ``bench/results``; ``--make`` makes them and measures nothing.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from planted import Planted, make_planted, score

HERE = Path(__file__).resolve().parent
VENVS = HERE.parent / ".venvs"
PEERS = {
    "text-dedup": ["text-dedup==0.4.0"],
    "datatrove": ["datatrove==0.10.1", "spacy", "xxhash<4", "tokenizers", "orjson"],
    "datasketch": ["datasketch==2.0.0"],
}
ENGINES = [
    "luthier",
    "datasketch",
    "text-dedup/characters",
    "text-dedup/words",
    "datatrove/characters",
    "datatrove/words",
]


def main() -> None:
    """Run what the command line names."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("what", choices=["quality", "scaling", "peers"])
    parser.add_argument("--rows", type=int, nargs="+")
    parser.add_argument("--threshold", type=float, nargs="+")
    parser.add_argument("--languages", nargs="+", default=["english", "chinese"])
    parser.add_argument("--engines", nargs="+", default=ENGINES)
    parser.add_argument("--share", type=float, default=0.1, help="of rows that are edited copies")
    parser.add_argument("--make", action="store_true", help="make rows and environments only")
    options = parser.parse_args()
    {"quality": quality, "scaling": scaling, "peers": peers}[options.what](options)


def quality(options: argparse.Namespace) -> None:
    """Print recall and precision, by language and threshold."""
    print(f"{'language':10}{'threshold':>10}{'pairs':>8}{'left out':>10}{'recall':>9}{'precision':>11}")
    for language in options.languages:
        planted = _planted(language, (options.rows or [12_000])[0], 0.5)
        for threshold in () if options.make else options.threshold or (0.7, 0.8, 0.9):
            figures = _score(planted, "luthier", threshold)
            print(
                f"{language:10}{threshold:>10}{figures['pairs']:>8,}{figures['left_out']:>10,}"
                f"{figures['recall']:>9.4f}{figures['precision']:>11.4f}"
            )


def scaling(options: argparse.Namespace) -> None:
    """Print time and memory against the number of rows."""
    print(f"{'rows':>10}{'seconds':>10}{'rows/s':>10}{'peak MB':>10}{'left out':>10}")
    for rows in options.rows or (125_000, 250_000, 500_000, 1_000_000):
        planted = _planted("both", rows, options.share)
        if options.make:
            continue
        run = _run("luthier", planted.file, (options.threshold or [0.8])[0])
        left_out = rows - len(run["kept"])
        print(
            f"{rows:>10,}{run['seconds']:>10.1f}{rows / run['seconds']:>10,.0f}{run['peak_mb']:>10,.0f}{left_out:>10,}"
        )


def peers(options: argparse.Namespace) -> None:
    """Print speed and quality of each engine on the same rows."""
    print(
        f"{'language':10}{'engine':22}{'rows/s':>9}{'peak MB':>9}{'left out':>10}{'recall':>9}{'precision':>11}"
    )
    for language in options.languages:
        planted = _planted(language, (options.rows or [12_000])[0], 0.5)
        for engine in options.engines:
            if language == "chinese" and engine.endswith("/words"):
                continue  # there are no spaces to find words by
            _environment(engine)
            if options.make:
                continue
            threshold = (options.threshold or [0.7])[0]
            figures = _score(planted, engine, threshold)
            rate = planted.num_rows / figures["seconds"]
            print(
                f"{language:10}{engine:22}{rate:>9,.0f}{figures['peak_mb']:>9,.0f}{figures['left_out']:>10,}"
                f"{figures['recall']:>9.4f}{figures['precision']:>11.4f}",
                flush=True,
            )


def _planted(language: str, rows: int, share: float) -> Planted:
    folder = HERE.parent / "results" / "near_duplicates"
    return make_planted(folder, language, rows, share)


def _score(planted: Planted, engine: str, threshold: float) -> dict[str, Any]:
    run = _run(engine, planted.file, threshold)
    return {**run, **score(planted, run["kept"], threshold)}


def _run(engine: str, file: Path, threshold: float) -> dict[str, Any]:
    """Run one engine in a process of its own, from file to file; starting Python counts."""
    with tempfile.TemporaryDirectory(prefix="bench-near-") as name:
        folder = Path(name)
        environment = {**os.environ, "HF_HUB_OFFLINE": "1", "HF_HOME": str(folder / "hf"), "TMPDIR": name}
        if engine == "luthier":
            command = [sys.executable, "-m", "luthier", "data", "dedup", file, "-o", folder / "kept.jsonl"]
            command += ["--near", "--threshold", str(threshold), "--json"]
        else:
            peer, _, tokens = engine.partition("/")
            script = HERE / "engines" / f"{peer.replace('-', '')}_engine.py"
            command = [VENVS / peer / "bin" / "python", script, file, folder, str(threshold), tokens]
        started = time.perf_counter()
        with (folder / "log").open("w") as log:
            process = subprocess.Popen(command, stdout=log, stderr=log, env=environment, cwd=folder)
            _, status, usage = os.wait4(process.pid, 0)
        seconds = time.perf_counter() - started
        if status:
            sys.exit(f"{engine} failed:\n{(folder / 'log').read_text()[-3000:]}")
        kept = [json.loads(line)["id"] for line in (folder / "kept.jsonl").open(encoding="utf-8")]
        return {"seconds": seconds, "peak_mb": _peak_kb(usage) / 1e3, "kept": set(kept)}


def _peak_kb(usage: resource.struct_rusage) -> int:
    """Return the peak of the process; a peer's workers are not added, which flatters the peer."""
    return usage.ru_maxrss


def _environment(engine: str) -> None:
    """Make the virtual environment of a peer, if it is not there."""
    peer = engine.partition("/")[0]
    folder = VENVS / peer
    if engine == "luthier" or (folder / "installed").exists():
        return
    subprocess.run([sys.executable, "-m", "venv", folder], check=True)
    install = [folder / "bin" / "python", "-m", "pip", "install", "--quiet", *PEERS[peer]]
    if subprocess.run(install, check=False).returncode:
        shutil.rmtree(folder)
        sys.exit(f"{engine} cannot be installed here: leave it out with --engines")
    (folder / "installed").touch()


if __name__ == "__main__":
    main()
