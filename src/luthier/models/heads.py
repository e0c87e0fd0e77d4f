"""Task heads: what a task puts above a base's layers, which model class that is, and which of its weights are new."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

from luthier.core.errors import ModelError
from luthier.core.files import read_json
from luthier.plan.base_facts import BaseFacts

HeadTask = Literal["SEQ_CLS", "TOKEN_CLS", "QUESTION_ANS"]
"""PEFT's names of the tasks."""

_SUFFIXES: dict[HeadTask, str] = {
    "SEQ_CLS": "ForSequenceClassification",
    "TOKEN_CLS": "ForTokenClassification",
    "QUESTION_ANS": "ForQuestionAnswering",
}


@dataclass(frozen=True)
class TaskHead:
    """The head of a task.

    Args:
        task: What the model does.
        labels: Names of the classes, by number; empty for spans of a context.
        problem_type: ``single_label_classification`` or ``multi_label_classification``, as transformers names it;
            None for tasks that know one kind only.
    """

    task: HeadTask
    labels: tuple[str, ...] = ()
    problem_type: str | None = None

    def model_class(self) -> Any:
        """Return the class of transformers whose ``from_pretrained`` and ``from_config`` make the model."""
        import transformers

        return getattr(transformers, f"AutoModel{_SUFFIXES[self.task]}")

    def configure(self, config: Any) -> Any:
        """Write the labels into a transformers configuration, as saved models carry them; return it."""
        names = dict(enumerate(self.labels or ("LABEL_0", "LABEL_1")))
        config.id2label = names
        config.label2id = {name: number for number, name in names.items()}
        config.problem_type = self.problem_type
        return config

    def is_in(self, config: Any) -> bool:
        """Whether a saved configuration has this very head, so that its weights can be taken over."""
        found = head_in(config.to_dict())
        return found is not None and replace(found, problem_type=self.problem_type) == self


def head_in(config: Mapping[str, Any]) -> TaskHead | None:
    """Return the head that the content of a ``config.json`` names, or None for a language model or a bare trunk."""
    architecture = str((config.get("architectures") or [""])[0])
    task = next((task for task, suffix in _SUFFIXES.items() if architecture.endswith(suffix)), None)
    if task is None:
        return None
    names = {int(number): str(name) for number, name in (config.get("id2label") or {}).items()}
    labels = () if task == "QUESTION_ANS" else tuple(names[number] for number in sorted(names))
    return TaskHead(task, labels, config.get("problem_type"))


def saved_head(folder: Path) -> TaskHead | None:
    """Return the head of a saved model or adapter, or the heads of several tasks; None for a language model."""
    from luthier.models.multi_head import MultiHead

    if (several := MultiHead.load(folder)) is not None:
        return several
    path = folder / "config.json"
    return head_in(read_json(path)) if path.is_file() else None


@dataclass(frozen=True)
class HeadPart:
    """The head inside a model.

    Args:
        peft_task: Name of PEFT's task type; ``CAUSAL_LM`` for language models.
        modules: Names of the modules that belong to the task, such as ``classifier``: they are trained and saved
            whole, whichever method trains the rest. Empty for language models.
    """

    peft_task: str
    modules: tuple[str, ...]

    def holds(self, name: str) -> bool:
        """Whether a weight or module called ``name`` belongs to the head, also inside PEFT's wrappers."""
        return any(f".{module}." in f".{name}." for module in self.modules)


def head_of(model: Any) -> HeadPart:
    """Return the head of a model, told from its class; a model with heads of its own says so by ``task_modules``."""
    base = model.get_base_model() if hasattr(model, "get_base_model") else model
    if hasattr(base, "task_modules"):
        return HeadPart("FEATURE_EXTRACTION", tuple(base.task_modules))
    name = type(base).__name__
    task = next((task for task, suffix in _SUFFIXES.items() if name.endswith(suffix)), None)
    if task is None:
        return HeadPart("CAUSAL_LM", ())
    trunk = base.base_model_prefix
    modules = [
        n for n, child in base.named_children() if n != trunk and any(True for _ in child.parameters())
    ]
    # The pooler feeds the classifier and nothing else: it belongs to the task, as in BERT's own fine-tuning.
    if getattr(getattr(base, trunk), "pooler", None) is not None:
        modules.insert(0, "pooler")
    return HeadPart(task, tuple(modules))


def save_head_config(model: Any, folder: Path) -> None:
    """Write labels and pad token beside an adapter too, so that its head is known without the base's folder."""
    path = folder / "config.json"
    base = model.get_base_model() if hasattr(model, "get_base_model") else model
    if not path.is_file():
        config = copy.deepcopy(base.config)
        config.architectures = [type(base).__name__]
        config.save_pretrained(folder)


def linear_names(model: Any, head: HeadPart) -> list[str]:
    """Return the names of the linear layers inside the head, for methods that adapt all others."""
    import torch

    return [n for n, m in model.named_modules() if isinstance(m, torch.nn.Linear) and head.holds(n)]


def with_head(base: BaseFacts, head: TaskHead | None, *, trust_remote_code: bool = False) -> BaseFacts:
    """Return the facts of a base under a task's head: its tensors are those of the model that will train.

    Args:
        base: As read from its files.
        head: Of the task; None leaves the facts as they are.
        trust_remote_code: Run the repository's own code; only where the recipe says so.

    Raises:
        ModelError: The family has no such head.
    """
    if head is None:
        return base
    import torch
    from transformers import AutoConfig

    config = head.configure(
        AutoConfig.from_pretrained(base.folder, local_files_only=True, trust_remote_code=trust_remote_code)
    )
    try:
        with torch.device("meta"):
            model = head.model_class().from_config(config, trust_remote_code=trust_remote_code)
    except ValueError as error:
        raise no_such_head(base.folder, head) from error
    part = head_of(model)
    shapes = {name: tuple(parameter.shape) for name, parameter in model.named_parameters()}
    return replace(base, shapes=shapes, head=frozenset(name for name in shapes if part.holds(name)))


def no_such_head(folder: Path, head: TaskHead) -> ModelError:
    """Return the error of a family that transformers gives no head for the task."""
    what = _SUFFIXES[head.task].removeprefix("For")
    return ModelError(
        f"transformers has no {what} for this model family", where=str(folder), cure="choose another base"
    )
