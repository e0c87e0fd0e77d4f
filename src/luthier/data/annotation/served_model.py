"""ServedModel: a chat model behind an OpenAI-compatible server, asked which label a text has."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from luthier.core.errors import DataError
from luthier.data.annotation.named_label import named_label

_PROMPT = """{guidelines}

Text:
{text}

Answer with one of these labels and nothing else: {labels}"""


@dataclass(frozen=True)
class ServedModel:
    """Asks for each text; the share of its answers that name a label is the label's probability.

    Args:
        url: Of the server, with or without ``/v1``.
        model: Name of the model there.
        labels: All labels.
        guidelines: What raters read, too.
        num_samples: Answers a text: one without randomness, or several at temperature 1.
        seed: Of the first answer.
        api_key: Where the server asks for one.
        timeout_seconds: For one answer.
    """

    url: str
    model: str
    labels: tuple[str, ...]
    guidelines: str
    num_samples: int = 1
    seed: int = 0
    api_key: str | None = None
    timeout_seconds: float = 120.0

    def __call__(self, texts: Sequence[str]) -> NDArray[np.float64]:
        """Return the probabilities [N, L]; zeros where no answer is a label.

        Raises:
            DataError: The server cannot be reached, or does not answer as OpenAI's does.
        """
        probabilities_NL = np.zeros((len(texts), len(self.labels)))
        for row, text in enumerate(texts):
            for sample in range(self.num_samples):
                if (label := named_label(self._ask(text, self.seed + sample), self.labels)) is not None:
                    probabilities_NL[row, label] += 1 / self.num_samples
        return probabilities_NL

    def _ask(self, text: str, seed: int) -> str:
        prompt = _PROMPT.format(guidelines=self.guidelines.strip(), text=text, labels=", ".join(self.labels))
        # Without randomness a seed changes nothing, and some servers refuse it.
        draw = {"temperature": 0.0} if self.num_samples == 1 else {"temperature": 1.0, "seed": seed}
        body = {
            "model": self.model,
            "messages": [{"role": "user", "content": prompt}],
            "max_tokens": 32,
            **draw,
        }
        address = f"{self.url.rstrip('/').removesuffix('/v1')}/v1/chat/completions"
        headers = {"Content-Type": "application/json"}
        if self.api_key:
            headers["Authorization"] = f"Bearer {self.api_key}"
        request = urllib.request.Request(address, json.dumps(body).encode(), headers)
        try:
            with urllib.request.urlopen(request, timeout=self.timeout_seconds) as response:
                answer: Any = json.load(response)
            return str(answer["choices"][0]["message"]["content"] or "")
        except urllib.error.HTTPError as error:
            told = error.read(300).decode(errors="replace")
            raise DataError(f"the server refused with status {error.code}: {told}", where=address) from error
        except (OSError, ValueError) as error:
            cure = "start one with `luthier serve`, or name another --server"
            raise DataError(f"no answer from the server: {error}", where=address, cure=cure) from error
        except (KeyError, IndexError, TypeError) as error:
            raise DataError("did not answer as OpenAI's chat completions do", where=address) from error
