"""Training time against the number of rows and against their length: cost must grow linearly."""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent


def main() -> None:
    """Run Luthier's engine at each size and print seconds and tokens a second."""
    options = _options()
    cases = [(options.rows * factor, None) for factor in options.factors]
    cases += [(max(4, options.tokens // length), length) for length in options.lengths]
    results = []
    for rows, length in cases:
        result = _measure(rows, length, options)
        results.append(result)
        if not options.json:
            print(_line(result), flush=True)
    if options.json:
        print(json.dumps(results))


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="rows in any schema that Luthier reads")
    parser.add_argument("--rows", type=int, default=32, help="rows at 1 ×")
    parser.add_argument("--factors", type=int, nargs="*", default=[1, 2, 4, 8])
    parser.add_argument("--lengths", type=int, nargs="*", default=[256, 1024, 4096], help="tokens of a row")
    parser.add_argument(
        "--tokens", type=int, default=16384, help="tokens of all rows together, for --lengths"
    )
    parser.add_argument("--json", action="store_true")
    return parser.parse_args()


def _line(result: dict[str, Any]) -> str:
    rows = f"{result['rows']:5} rows of {result['row_tokens'] or 'their own length'}"
    rate = result["tokens"] / result["seconds"]
    cost = f"{result['seconds']:8.1f} s {rate:7,.0f} tokens/s {result['peak_gb']:5.2f} GB"
    return f"{rows:36}{result['tokens']:9,} tokens {cost}"


def _measure(rows: int, length: int | None, options: argparse.Namespace) -> dict[str, Any]:
    command = [sys.executable, HERE / "training.py", "--engines", "luthier", "--turns", "1", "--json",
               "--data", options.data, "--rows", str(rows), "--max-length", str((length or 960) + 64)]  # fmt: skip
    if length:
        command += ["--row-tokens", str(length)]
    done = json.loads(subprocess.run(command, capture_output=True, text=True, check=True).stdout)
    engine = done["engines"]["luthier"]
    return {
        "rows": rows,
        "row_tokens": length,
        "tokens": done["tokens"],
        "seconds": done["tokens"] / engine["tokens_per_second"],
        "peak_gb": engine["peak_memory_gb"],
    }


if __name__ == "__main__":
    main()
