"""Pre-labels: of a classifier, of a chat model behind a server, and answers that are none."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from luthier.core.errors import DataError
from luthier.data.annotation.classifier import EmbeddingClassifier, cross_validated
from luthier.data.annotation.intake import take_in
from luthier.data.annotation.items import Item, Rating
from luthier.data.annotation.prelabel import prelabelled
from luthier.data.annotation.project import Project, create_project
from luthier.data.annotation.served_model import ServedModel
from luthier.data.annotation.settings import Settings
from tests.data.annotation.test_label_errors import embed, planted


@dataclass
class Fixed:
    """Gives the same probabilities to every text."""

    probabilities: Sequence[float]
    labels: tuple[str, ...] = ("a", "b")

    def __call__(self, texts: Sequence[str]) -> np.ndarray:
        return np.array([self.probabilities] * len(texts))


def test_proposals_go_into_a_project_and_are_no_ratings(tmp_path: Path) -> None:
    create_project(tmp_path / "p", Settings(("a", "b")), [(str(n), {"text": f"t{n}"}) for n in range(5)])
    items = list(Project(tmp_path / "p").items())
    seen: list[int] = []
    model = Fixed([0.25, 0.75])
    made = list(prelabelled(items, model, "m", text_field="text", batch_size=2, on_progress=seen.append))
    assert seen == [2, 4, 5]
    assert take_in(tmp_path / "p", made, source="m") == {"pre-labels added": 5}
    read = next(Project(tmp_path / "p").items())
    assert (read.ratings, read.prelabels[0].label, read.prelabels[0].score) == ((), "b", 0.75)
    assert list(prelabelled(items, model, "m", text_field="text", min_score=0.8)) == []
    assert list(prelabelled(items, Fixed([0.0, 0.0]), "m", text_field="text")) == []


def test_a_proposal_carries_nothing_but_itself() -> None:
    item = Item("1", {"text": "t"}, (Rating("ann", "a"),), counts={"a": 1})
    (made,) = prelabelled([item], Fixed([1.0, 0.0]), "m", text_field="text")
    assert (made.ratings, dict(made.counts), made.gold) == ((), {}, None)


@pytest.mark.parametrize(
    ("probabilities", "message"),
    [
        ([0.5, 0.25, 0.25], "1×3 numbers; 1 texts × 2 labels"),
        ([1.5, 0.0], "no prob"),
        ([np.nan, 0.0], "no prob"),
    ],
)
def test_what_is_no_probability_is_refused(probabilities: list[float], message: str) -> None:
    with pytest.raises(DataError, match=message):
        list(prelabelled([Item("1", {"text": "t"})], Fixed(probabilities), "m", text_field="text"))


def test_the_classifier_learns() -> None:
    texts, labels, _ = planted(120, 0)
    model = EmbeddingClassifier.train(embed, texts, labels)
    assert model.labels == tuple(sorted("红绿蓝"))
    probabilities = model(["绿 new", "蓝 new"])
    assert [model.labels[n] for n in probabilities.argmax(axis=1)] == ["绿", "蓝"]
    np.testing.assert_allclose(probabilities.sum(axis=1), 1.0)
    with pytest.raises(DataError, match="1 label; a classifier needs two"):
        EmbeddingClassifier.train(embed, texts[:1], labels[:1])


def test_no_row_is_judged_by_a_classifier_that_saw_it() -> None:
    generator = np.random.default_rng(0)
    vectors = generator.normal(size=(200, 150)).astype(np.float32)
    labels = generator.integers(0, 2, 200)
    # Labels by chance in many dimensions: whoever saw them knows them all, whoever did not knows half.
    accuracy = (cross_validated(vectors, labels).argmax(axis=1) == labels).mean()
    assert 0.35 < accuracy < 0.65
    with pytest.raises(DataError, match="fewer rows than the 5 folds: 1 label"):
        cross_validated(vectors[:20], np.array([0] * 17 + [1] * 3))


@dataclass
class Server:
    """A chat server that says what it is told to say."""

    url: str
    answers: list[Any]
    requests: list[dict[str, Any]] = field(default_factory=list)


@pytest.fixture
def server() -> Iterator[Server]:
    made = Server("", [])

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            made.requests.append(body | {"path": self.path, "key": self.headers.get("Authorization")})
            answer = made.answers[(len(made.requests) - 1) % len(made.answers)]
            status = answer if isinstance(answer, int) else 200
            message = {"choices": [{"message": {"content": answer}}]}
            self.send_response(status)
            self.end_headers()
            self.wfile.write(json.dumps({} if answer is None else message).encode())

        def log_message(self, *args: Any) -> None:
            pass

    http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    made.url = f"http://127.0.0.1:{http.server_address[1]}"
    thread = threading.Thread(target=http.serve_forever)
    thread.start()
    yield made
    http.shutdown()
    thread.join()
    http.server_close()


LABELS = ("no", "card", "card_arrival", "退款")


@pytest.mark.parametrize(
    ("answer", "label"),
    [
        ("card_arrival", "card_arrival"),
        (' "Card." ', "card"),
        ("The label is card_arrival.", "card_arrival"),
        ("标签:退款。", "退款"),
        ("I do not know", None),
        ("card or no", None),
        ("", None),
    ],
)
def test_an_answer_is_a_label_or_nothing(server: Server, answer: str, label: str | None) -> None:
    server.answers = [answer]
    (found,) = ServedModel(server.url, "m", LABELS, "Rules.", api_key="k")(["Where is it?"])
    assert ([LABELS[n] for n in np.flatnonzero(found)] or [None]) == [label]
    assert found.sum() == (label is not None)
    (request,) = server.requests
    assert request["path"] == "/v1/chat/completions" and request["key"] == "Bearer k"
    assert request["temperature"] == 0 and "seed" not in request and request["model"] == "m"
    prompt = request["messages"][0]["content"]
    assert prompt.startswith("Rules.") and "Where is it?" in prompt and ", ".join(LABELS) in prompt


def test_several_answers_make_shares(server: Server) -> None:
    server.answers = ["card", "no", "card", "what?"]
    model = ServedModel(f"{server.url}/v1/", "m", LABELS, "", num_samples=4, seed=7)
    np.testing.assert_allclose(model(["text"]), [[0.25, 0.5, 0, 0]])
    assert [request["seed"] for request in server.requests] == [7, 8, 9, 10]
    assert {request["temperature"] for request in server.requests} == {1.0}
    assert {request["key"] for request in server.requests} == {None}


@pytest.mark.parametrize(("answer", "message"), [(500, "status 500"), (None, "not answer as OpenAI's")])
def test_a_server_that_fails(server: Server, answer: Any, message: str) -> None:
    server.answers = [answer]
    with pytest.raises(DataError, match=message):
        ServedModel(server.url, "m", LABELS, "")(["text"])


def test_no_server() -> None:
    with pytest.raises(DataError, match="no answer from the server"):
        ServedModel("http://127.0.0.1:9", "m", LABELS, "", timeout_seconds=2)(["text"])
