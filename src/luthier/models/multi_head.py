"""Several heads over one trunk: a model of transformers for each task, all of which run the same layers."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar

import torch
from torch import nn

from luthier.core.errors import ModelError
from luthier.core.files import read_json, write_json
from luthier.models.heads import TaskHead, head_of

TASKS_FILE = "multitask.json"
"""Beside a model with several heads: its tasks, in their order."""

TASKS_FOLDER = "tasks"
"""Holds a folder for each task, which bare transformers or PEFT loads."""


class MultiHeadModel(nn.Module):
    """A trunk that is shared, and for each task the model of transformers that stands on it.

    A task's model has the trunk as an attribute and not as a child: each weight has one name, ``trunk.…`` or
    ``tasks.NAME.…``, is saved once and trained once, and what a method puts into the trunk works for every task.

    Args:
        models: Of each task, all made from the same base.
        heads: What they were made for.
    """

    main_input_name: ClassVar[str] = "input_ids"

    def __init__(self, models: Mapping[str, Any], heads: MultiHead) -> None:
        super().__init__()
        self.heads = heads
        self.task_names = tuple(models)
        self.prefixes = {name: model.base_model_prefix for name, model in models.items()}
        """What each task's model calls the trunk."""
        own = {name: head_of(model).modules for name, model in models.items()}
        self.pooled = frozenset(name for name, modules in own.items() if "pooler" in modules)
        """Tasks whose heads read the trunk's pooler."""
        trunks = [getattr(model, self.prefixes[name]) for name, model in models.items()]
        # Some heads read a pooler, others do without one: the trunk that has it serves both.
        self.trunk = next((t for t in trunks if getattr(t, "pooler", None) is not None), trunks[0])
        self.tasks = nn.ModuleDict()
        for name, model in models.items():
            del model._modules[self.prefixes[name]]
            model.__dict__[self.prefixes[name]] = self.trunk
            self.tasks[name] = model
        tops = [f"tasks.{name}.{module}" for name in own for module in own[name] if module != "pooler"]
        pooler = ["trunk.pooler"] if self.pooled else []
        self.task_modules = (*pooler, *tops)
        """Names of the modules that belong to tasks; see `luthier.models.heads.head_of`."""
        self.name_or_path = next(iter(models.values())).name_or_path
        """Where the base was loaded from: PEFT writes it beside adapters."""

    @property
    def config(self) -> Any:
        """The trunk's configuration."""
        return self.trunk.config

    @property
    def base_model(self) -> Any:
        """The trunk, as transformers calls what is below a head."""
        return self.trunk

    def task(self, name: str) -> Any:
        """Return the model of a task; what is said to the configuration of the whole is said to it too."""
        model: Any = self.tasks[name]
        model.config.get_text_config().pad_token_id = self.config.get_text_config().pad_token_id
        model.config.use_cache = getattr(self.config, "use_cache", False)
        return model

    def forward(self, **inputs: Any) -> Any:
        """Return the outputs of all heads in one row of ``logits``: what a comparison of two models needs."""
        from transformers.utils import ModelOutput

        outputs = [self.task(name)(**inputs) for name in self.task_names]
        found = [
            value.flatten().float()
            for output in outputs
            for key, value in output.items()
            if key.endswith("logits")
        ]
        return ModelOutput(logits=torch.cat(found))

    def gradient_checkpointing_enable(self, **options: Any) -> None:
        """Compute activations of the trunk again in the backward pass."""
        self.trunk.gradient_checkpointing_enable(**options)

    def set_attn_implementation(self, name: str) -> None:
        """Choose the attention of the trunk."""
        self.trunk.set_attn_implementation(name)

    def get_input_embeddings(self) -> Any:
        """Return the trunk's embedding of tokens."""
        return self.trunk.get_input_embeddings()

    def get_output_embeddings(self) -> None:
        """Return nothing: no head predicts tokens."""

    def save_pretrained(self, folder: Path, *, state_dict: Mapping[str, torch.Tensor], **_: Any) -> None:
        """Write trunk, heads and a folder for each task; see `luthier.models.multi_head_files`."""
        from luthier.models.multi_head_files import save_whole

        save_whole(self, folder, state_dict)


def task_model(model: Any, name: str) -> Any:
    """Return the model of a task, also inside PEFT's wrapper."""
    base = model.get_base_model() if hasattr(model, "get_base_model") else model
    return base.task(name)


@dataclass(frozen=True)
class MultiHead(TaskHead):
    """The heads of several tasks; where one head is expected, it stands for all.

    Args:
        heads: Of each task, by name.
    """

    task: Any = "several tasks"
    heads: Mapping[str, TaskHead] = field(default_factory=dict)

    def model_class(self) -> MultiHead:
        """Return what makes the model: this, by `from_pretrained` and `from_config`."""
        return self

    def configure(self, config: Any) -> Any:
        """Return the configuration as it is: each task writes its labels into one of its own."""
        return config

    def is_in(self, config: Any) -> bool:
        """Return False: a base's configuration names one head at most."""
        return False

    def from_config(self, config: Any, **options: Any) -> MultiHeadModel:
        """Return a model with random weights, or with shapes alone on the meta device."""
        import copy

        return MultiHeadModel(
            {
                name: head.model_class().from_config(head.configure(copy.deepcopy(config)), **options)
                for name, head in self.heads.items()
            },
            self,
        )

    def from_pretrained(
        self, folder: Path, *, config: Any, **options: Any
    ) -> tuple[MultiHeadModel, dict[str, Any]]:
        """Return the model over a base, or a saved one with all its heads, and what was not found in the files.

        Args:
            folder: A base, or what `MultiHeadModel.save_pretrained` wrote.
            config: Of the base.
            options: As for ``from_pretrained`` of transformers.
        """
        models, reports = {}, {}
        for name, head in self.heads.items():
            models[name], reports[name] = self._load(Path(folder), name, head, config, options)
        model = MultiHeadModel(models, self)
        return model, {
            kind: sorted({key for name in reports for key in self._names(model, name, reports[name][kind])})
            for kind in ("missing_keys", "mismatched_keys")
        }

    def _load(
        self, folder: Path, name: str, head: TaskHead, config: Any, options: Mapping[str, Any]
    ) -> tuple[Any, Mapping[str, Any]]:
        import copy

        from luthier.models.new_head import trunk_renamed

        own = folder / TASKS_FOLDER / name
        if own.is_dir():
            given = {k: v for k, v in options.items() if k not in ("ignore_mismatched_sizes", "key_mapping")}
            loaded: Any = head.model_class().from_pretrained(own, **given)
        else:
            own_config = head.configure(copy.deepcopy(config))
            given = {**options, "key_mapping": trunk_renamed(folder, own_config, head)}
            loaded = head.model_class().from_pretrained(folder, config=own_config, **given)
        model, report = loaded
        return model, report

    @staticmethod
    def _names(model: MultiHeadModel, task: str, keys: Sequence[Any]) -> Iterator[str]:
        """Yield the names in the whole model of weights of a task's model."""
        present = dict(model.named_parameters())
        for key in keys:
            name = key if isinstance(key, str) else str(key[0])
            inside = name.removeprefix(f"{model.prefixes[task]}.")
            whole = f"trunk.{inside}" if inside != name else f"tasks.{task}.{name}"
            if whole in present or inside == name:
                yield whole

    def save(self, folder: Path) -> None:
        """Write the tasks beside a model."""
        facts = {
            name: {"task": head.task, "labels": list(head.labels), "problem_type": head.problem_type}
            for name, head in self.heads.items()
        }
        write_json(folder / TASKS_FILE, facts)

    @classmethod
    def load(cls, folder: Path) -> MultiHead | None:
        """Return the heads of a saved model; None where it has not several."""
        path = folder / TASKS_FILE
        if not path.is_file():
            return None
        try:
            return cls(
                heads={
                    name: TaskHead(facts["task"], tuple(facts["labels"]), facts["problem_type"])
                    for name, facts in read_json(path).items()
                }
            )
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise ModelError(f"{path} cannot be read: {error}", cure="copy the file again") from error
