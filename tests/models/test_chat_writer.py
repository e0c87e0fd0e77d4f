"""The writer gives each prompt its answer, by its seed, and none that was cut off."""

import pytest

from luthier.models import chat_writer
from luthier.models.chat_writer import ChatWriter


class Fake:
    """A chat model whose tokens are words."""

    def __init__(self):
        self.asked = []

    def prompt_ids(self, messages):
        (message,) = messages
        assert message.role == "user"
        return message.content.split()

    def text_ids(self, text):
        return text.split()

    def answers(self, turns, sampling):
        self.asked.append((len(turns), sampling))
        endless = ["on"] * 1000
        answers = [endless if "endless" in words else ["so", *words] for words in turns]
        return [" ".join(answer[: sampling.max_new_tokens]) for answer in answers]


@pytest.fixture
def writer(monkeypatch):
    monkeypatch.setattr(chat_writer, "locate_base", lambda name: name)
    monkeypatch.setattr(chat_writer.ChatModel, "from_folder", lambda folder: Fake())
    return ChatWriter("base", temperature=0.5, top_p=0.8)


def test_answers_stand_at_their_prompts(writer):
    prompts = [f"{number} " + "word " * (number % 7) for number in range(40)]
    assert writer(prompts, range(40)) == [f"so {prompt}".strip() for prompt in prompts]
    assert [count for count, _ in writer._model.asked] == [16, 16, 8]
    assert writer([], []) == []


def test_seed_and_sampling_reach_the_model(writer):
    writer(["a b c", "a"], [11, 22])
    ((_, sampling),) = writer._model.asked
    assert (sampling.seed, sampling.temperature, sampling.top_p) == (22, 0.5, 0.8)
    assert sampling.max_new_tokens == 3 + 32


def test_an_answer_that_was_cut_off_is_none(writer):
    assert writer(["short", "endless talk"], [1, 2]) == ["so short", ""]
