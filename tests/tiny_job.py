"""A whole job in small: a tiny random chat model as the base, rows with a pattern to learn, and a recipe."""

from __future__ import annotations

import contextlib
import io
import json
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from luthier.cli.main import main
from tests.models.tiny_chat import make_chat_llama, make_chat_tokenizer

COLOURS = ("red", "green", "blue", "black", "white", "brown", "pink", "grey")
ANIMALS = ("fox", "dog", "cat", "cow", "hen", "bat")


def save_tiny_base(folder: Path) -> Path:
    """Save the base in Hugging Face layout."""
    make_chat_llama(initializer_range=0.05).save_pretrained(folder)
    make_chat_tokenizer().save_pretrained(folder)
    return folder


def write_rows(path: Path) -> Path:
    """Write 48 rows whose answers repeat what is asked for, so that a few steps lower the loss."""
    rows = [
        {"instruction": f"What is the {colour} {animal}?", "output": f"It is the {colour} {animal}."}
        for colour in COLOURS
        for animal in ANIMALS
    ]
    path.write_text(json.dumps(rows), encoding="utf-8")
    return path


def write_recipe(folder: Path, **sections: Any) -> Path:
    """Write base, rows and recipe into a folder; ``sections`` replace those of the recipe."""
    folder.mkdir(parents=True, exist_ok=True)
    if not (folder / "base").is_dir():
        save_tiny_base(folder / "base")
    write_rows(folder / "rows.json")
    recipe: dict[str, Any] = {
        "name": "tiny",
        "runs_dir": str(folder / "runs"),
        "model": {"base": "base", "dtype": "float32"},
        "data": {"train": [{"path": "rows.json"}], "eval": {"split": 0.25}, "max_length": 128},
        "method": {"name": "lora", "r": 4, "lora_alpha": 8},
        "train": {
            "learning_rate": 0.01,
            "num_train_epochs": 3,
            "per_device_train_batch_size": 4,
            "report_to": [],
        },
        "evaluate": {"num_generations": 3, "max_new_tokens": 8, "bootstrap_samples": 200},
    }
    path = folder / "recipe.yaml"
    path.write_text(yaml.safe_dump({**recipe, **sections}), encoding="utf-8")
    return path


@dataclass(frozen=True)
class Done:
    """What a command printed, and its exit code."""

    returncode: int
    stdout: str
    stderr: str


def luthier(*arguments: object, cwd: Path) -> Done:
    """Run a command in this process: everything but the start of an interpreter is as a user has it."""
    stdout, stderr = io.StringIO(), io.StringIO()
    code = 0
    with contextlib.chdir(cwd), contextlib.redirect_stdout(stdout), contextlib.redirect_stderr(stderr):
        try:
            main([str(argument) for argument in arguments])
        except SystemExit as end:
            code = int(end.code or 0)
    return Done(code, stdout.getvalue(), stderr.getvalue())


def start_luthier(*arguments: object, cwd: Path) -> subprocess.Popen[str]:
    """Start a command in a process of its own, to be interrupted or awaited."""
    command = [sys.executable, "-m", "luthier", *map(str, arguments)]
    return subprocess.Popen(command, cwd=cwd, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
