"""How threads should wait: `luthier run` with GNU OpenMP's default, with short spinning and with sleep.

Its threads spin by default for a long time until there is work. On a machine of their own that costs nothing;
beside another busy process they hold the core that the work needs. Every policy trains the same steps of the
quick start, in turn; the company is a number of processes that only count.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

POLICIES: Mapping[str, Mapping[str, str]] = {
    "spin": {"OMP_WAIT_POLICY": "active"},
    "library default": {"GOMP_SPINCOUNT": "300000"},
    "spin shortly": {"GOMP_SPINCOUNT": "1000"},
    "sleep": {"OMP_WAIT_POLICY": "passive"},
}
_VARIABLES = ("OMP_WAIT_POLICY", "GOMP_SPINCOUNT")


def main() -> None:
    """Train with each policy and print seconds per step."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--company", type=int, default=0, help="busy processes beside the training")
    parser.add_argument("--epochs", type=float, default=0.4)
    parser.add_argument("--turns", type=int, default=2)
    parser.add_argument("--policies", nargs="+", choices=POLICIES, default=list(POLICIES))
    options = parser.parse_args()
    seconds: dict[str, list[float]] = {name: [] for name in options.policies}
    with busy_processes(options.company):
        for _ in range(options.turns):
            for name in options.policies:
                others = _busy_seconds()
                figure = train(POLICIES[name], epochs=options.epochs)
                others = _busy_seconds() - others
                seconds[name].append(figure)
                print(
                    f"{name}: {figure:.2f} s for the steps, all processes {others:.0f} core seconds",
                    flush=True,
                )
    best = min(statistics.median(values) for values in seconds.values())
    for name, values in seconds.items():
        print(
            f"{name:<16}{statistics.median(values):7.2f} s  {statistics.median(values) / best:.2f} times the best"
        )


def train(policy: Mapping[str, str], *, epochs: float) -> float:
    """Return the seconds that the steps after the first took."""
    environment = {name: value for name, value in os.environ.items() if name not in _VARIABLES}
    with tempfile.TemporaryDirectory() as folder:
        settings = [f"runs_dir={folder}", f"train.num_train_epochs={epochs}", "train.eval_strategy=no"]
        settings += ["train.load_best_model_at_end=false"]
        command = [sys.executable, "-m", "luthier", "run", "quickstart", "--until", "train", "--json"]
        for setting in settings:
            command += ["--set", setting]
        subprocess.run(command, env={**environment, **policy}, check=True, stdout=subprocess.DEVNULL)
        (events,) = Path(folder).glob("*/events.jsonl")
        steps = [json.loads(line) for line in events.read_text(encoding="utf-8").splitlines()]
    return sum(
        step["seconds_per_step"] for step in steps if step["kind"] == "train_step" and step["step"] > 1
    )


@contextmanager
def busy_processes(count: int) -> Iterator[None]:
    """Keep some processes computing while the block runs."""
    code = "while True: sum(range(100_000))"
    running = [subprocess.Popen([sys.executable, "-c", code]) for _ in range(count)]
    try:
        yield
    finally:
        for process in running:
            process.kill()
            process.wait()


def _busy_seconds() -> float:
    """Return the core seconds that all processes of the machine have used."""
    fields = Path("/proc/stat").read_text(encoding="ascii").split("\n", 1)[0].split()[1:]
    user, nice, system = (int(field) for field in fields[:3])
    return (user + nice + system) / os.sysconf("SC_CLK_TCK")


if __name__ == "__main__":
    main()
