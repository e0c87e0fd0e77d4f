"""Find a base (folder, GGUF file, catalogue name, hub id), check it, and load it with every weight in place."""

from __future__ import annotations

import difflib
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from luthier.core.errors import ModelError
from luthier.core.files import read_json, write_json
from luthier.core.hashing import fingerprint, hash_file, short
from luthier.core.home import cache_folder
from luthier.models.catalogue import CATALOGUE
from luthier.models.gguf import converted
from luthier.models.heads import TaskHead, no_such_head, saved_head
from luthier.models.new_head import (
    absent_weights,
    head_options,
    seeded,
    transformers_quiet,
    without_new_head,
)
from luthier.models.peft_notices import without_groundless_warnings
from luthier.models.vocabulary import grow_for_adapter

if TYPE_CHECKING:
    import torch
    from transformers import PreTrainedModel

    from luthier.models.quantized import FourBit

RESULT_FILE = "luthier.json"
"""Beside the weights of a model that Luthier made: its base, method and the hashes that it was trained with."""


def locate_base(name: str) -> Path:
    """Return a local folder in Hugging Face layout that holds the base.

    Args:
        name: A folder, a GGUF file, a name in the catalogue, or a hub id ``owner/model``.

    Raises:
        ModelError: Nothing is found there, or what is found has no safetensors weights.
    """
    path = Path(name).expanduser()
    if path.is_dir():
        return check_folder(path)
    if path.suffix == ".gguf":
        if not path.is_file():
            raise ModelError(f"no GGUF file at {path}")
        return converted(path, label=path.stem, sha256=hash_file(path))
    if name in CATALOGUE:
        return _from_catalogue(name)
    if name.count("/") == 1 and not name.startswith((".", "/", "~")):
        return _from_hub(name)
    near = difflib.get_close_matches(name, CATALOGUE, n=1)
    cure = (
        f"did you mean `{near[0]}`?"
        if near
        else f"a folder, a .gguf file, owner/name of a hub, or: {', '.join(CATALOGUE)}"
    )
    raise ModelError(f"{name!r} is neither a folder nor a known base", cure=cure)


def check_folder(folder: Path) -> Path:
    """Return ``folder`` if it holds a configuration and safetensors weights (or an adapter)."""
    if (folder / "adapter_config.json").is_file():
        weights, config = "adapter_model.safetensors", "adapter_config.json"
    else:
        weights, config = "*.safetensors", "config.json"
    if not (folder / config).is_file():
        raise ModelError(f"{folder} has no {config}", cure="name a folder in Hugging Face layout")
    if not any(folder.glob(weights)):
        if any(folder.glob("*.bin")) or any(folder.glob("*.pt")):
            raise ModelError(
                f"{folder} holds its weights as a pickle, which can run code when it is loaded",
                cure="convert it to safetensors where you trust its origin: model.save_pretrained(folder)",
            )
        raise ModelError(f"{folder} has no weights ({weights})", cure="copy the weights beside config.json")
    return folder.resolve()


def _from_catalogue(name: str) -> Path:
    entry = CATALOGUE[name]
    path = entry.path()
    weights = path / entry.weights if entry.weights else path
    if not weights.is_file():
        raise ModelError(f"the package {entry.package} lacks {weights.name}", cure=entry.install)
    if (got := hash_file(weights)) != entry.sha256:
        raise ModelError(
            f"{weights.name} of {entry.package} has hash {short(got)}…, {short(entry.sha256)}… was expected",
            cure=entry.install,
        )
    return check_folder(path) if path.is_dir() else converted(path, label=name, sha256=entry.sha256)


def _from_hub(name: str) -> Path:
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import (
        HfHubHTTPError,
        HFValidationError,
        LocalEntryNotFoundError,
        OfflineModeIsEnabled,
    )

    patterns = ["*.json", "*.safetensors", "*.jinja", "*.model", "*.txt", "*.py"]
    try:
        return check_folder(Path(snapshot_download(name, allow_patterns=patterns)))
    except HFValidationError as error:
        problem = f"{name!r} is no folder, and no hub id either"
        raise ModelError(problem, cure="name an existing folder, or owner/name of a hub") from error
    except (LocalEntryNotFoundError, OfflineModeIsEnabled, HfHubHTTPError, ConnectionError) as error:
        raise ModelError(
            f"{name} could not be had from the hub ({type(error).__name__})",
            cure="check the name and the connection, or name a local folder or a catalogue base",
        ) from error


def load_model(
    folder: Path,
    *,
    dtype: torch.dtype,
    trust_remote_code: bool = False,
    head: TaskHead | None = None,
    new_head_seed: int | None = None,
    four_bit: FourBit | None = None,
) -> PreTrainedModel:
    """Load a causal language model, or a model with a task's head, in evaluation mode.

    Args:
        folder: Hugging Face layout.
        dtype: Type of all weights after loading.
        trust_remote_code: Run the repository's own code; only where the recipe says so.
        head: Of the task; None for a language model.
        new_head_seed: Seed of the head's weights where the folder has no such head: then they start at random.
            None where the head must be there.
        four_bit: How the linear layers are stored in 4 bits; None for ``dtype``.

    Raises:
        ModelError: The folder is incomplete, or any other weight would be left at a random value.
    """
    from safetensors import SafetensorError
    from transformers import AutoModelForCausalLM

    from luthier.models.quantized import load_in_4bit

    check_folder(folder)
    what = "a causal language model" if head is None else f"a model for {head.task}"
    options: dict[str, Any] = {"local_files_only": True, "trust_remote_code": trust_remote_code}
    seed = None
    try:
        if head is not None:
            given, is_there = head_options(folder, head, options)
            seed = None if is_there else new_head_seed
            options |= given | {"ignore_mismatched_sizes": seed is not None}
        kind = head.model_class() if head else AutoModelForCausalLM
        load = partial(load_in_4bit, kind, settings=four_bit) if four_bit else kind.from_pretrained
        with transformers_quiet(), seeded(seed):
            loaded: Any = load(folder, dtype=dtype, use_safetensors=True, output_loading_info=True, **options)
    except (OSError, ValueError, KeyError, RuntimeError, SafetensorError) as error:
        if head is not None and "Unrecognized configuration class" in str(error):
            raise no_such_head(folder, head) from error
        raise ModelError(f"{folder} cannot be loaded as {what}: {error}") from error
    model, report = loaded
    absent = absent_weights(report)
    if seed is not None:
        absent = without_new_head(model, absent, seed)
    # transformers fills absent weights with random numbers and goes on; a random layer ruins a model silently.
    if absent:
        raise ModelError(f"{folder} lacks {len(absent)} weights of its architecture, e.g. {absent[0]}")
    if options.get("key_mapping"):
        vars(model).pop("_weight_conversions", None)  # saved under the names of its own class, not the base's
    if head is not None:
        model.config.use_cache = False  # nothing is generated: kept keys and values would only cost memory
    return model.eval()


@dataclass(frozen=True)
class ResultRecord:
    """What ``luthier.json`` beside a result says about its making."""

    base: str
    base_hash: str
    method: str
    dtype: str
    template_hash: str
    tokenizer_hash: str
    four_bit: dict[str, Any] | None = None
    """How the base was stored in 4 bits while the adapter was trained; None where it was not."""

    objective: dict[str, Any] = field(default_factory=dict)
    """Keys of the objective, and ``max_length``: predictions divide and read rows as the training did."""

    def save(self, folder: Path) -> None:
        """Write the record into the result's folder."""
        write_json(folder / RESULT_FILE, vars(self))

    @classmethod
    def load(cls, folder: Path) -> ResultRecord | None:
        """Return the record, or None for a model that Luthier did not make."""
        path = folder / RESULT_FILE
        return cls(**read_json(path)) if path.is_file() else None


BaseForm = Literal["packed", "unpacked", "original"]
"""A base that was in 4 bits when its adapter was trained: in 4 bits again; as those same values, dense; or as it was
before it was stored in 4 bits, which is what adapters are merged into."""


def load_trained(
    folder: Path, *, dtype: torch.dtype, base_form: BaseForm = "packed", base: Any = None
) -> tuple[Any, Path]:
    """Load a result: a whole model, or an adapter over its base.

    Args:
        folder: Of the result.
        dtype: Type of all weights after loading.
        base_form: What becomes of a base that was trained over in 4 bits; no other base is changed by it.
        base: Of an adapter, loaded already; it becomes part of the result.

    Returns:
        The model in evaluation mode (a ``peft.PeftModel`` for adapters) and the folder of its tokenizer.

    Raises:
        ModelError: The adapter's base cannot be found or is another one than it was trained on.
    """
    check_folder(folder)
    if not is_adapter(folder):
        return load_model(folder, dtype=dtype, head=saved_head(folder)), folder
    base_folder = base_of_adapter(folder)
    if base is None:
        base = load_base_of(folder, base_folder, dtype, base_form)
    model = put_adapter(base, folder)
    if saved_head(folder) is not None:
        saved = read_json(folder / "config.json").get("pad_token_id")
        model.config.get_text_config().pad_token_id = saved
    return model.eval(), text_folder_of(folder)


def text_folder_of(folder: Path) -> Path:
    """Return the folder that holds the tokenizer of a model: its own, or its base's where an adapter has none."""
    has_tokenizer = (folder / "tokenizer.json").is_file() or (folder / "tokenizer_config.json").is_file()
    return folder if has_tokenizer or not is_adapter(folder) else base_of_adapter(folder)


def is_adapter(folder: Path) -> bool:
    """Whether a folder holds an adapter in PEFT's layout."""
    return (folder / "adapter_config.json").is_file()


def base_of_adapter(folder: Path) -> Path:
    """Return the folder of the base that an adapter was trained on.

    Raises:
        ModelError: It is not named, cannot be found, or is another one than it was trained on.
    """
    record = ResultRecord.load(folder)
    name = record.base if record else read_json(folder / "adapter_config.json").get("base_model_name_or_path")
    if not name:
        raise ModelError(f"{folder}/adapter_config.json does not name its base")
    base_folder = locate_base(name)
    if record and (got := weights_hash(base_folder)) != record.base_hash:
        raise ModelError(
            f"the adapter in {folder} was trained on a base with hash {short(record.base_hash)}…, "
            f"{name} now has {short(got)}…",
            cure="use the base it was trained on",
        )
    return base_folder


def load_base_of(folder: Path, base_folder: Path, dtype: torch.dtype, form: BaseForm) -> Any:
    """Load the base of an adapter, ready for it; see `load_trained`."""
    from luthier.models.quantized import FourBit, unpack

    record = ResultRecord.load(folder)
    packing = record.four_bit if record and form != "original" else None
    four_bit = FourBit(**packing) if packing else None
    # The adapter brings its head: the one that the base gets here is overwritten, or missed by name.
    model = load_model(base_folder, dtype=dtype, head=saved_head(folder), new_head_seed=0, four_bit=four_bit)
    if form == "unpacked":
        unpack(model)
    return model


def put_adapter(base: Any, folder: Path) -> Any:
    """Return a base under a saved adapter, as a ``peft.PeftModel``.

    Raises:
        ModelError: The adapter does not fit, or lacks weights.
    """
    from peft import PeftModel, get_peft_model_state_dict
    from safetensors import SafetensorError, safe_open

    from luthier.models.bottleneck import register
    from luthier.models.virtual_tokens import put_below_head

    register()
    grow_for_adapter(base, folder)
    try:
        with without_groundless_warnings():
            model = PeftModel.from_pretrained(base, str(folder), is_trainable=False)
        with safe_open(folder / "adapter_model.safetensors", framework="pt") as weights:
            found = set(weights.keys())
    except (OSError, ValueError, KeyError, TypeError, RuntimeError, SafetensorError) as error:
        raise ModelError(f"the adapter in {folder} cannot be loaded over its base: {error}") from error
    # PEFT only warns, and goes on with random numbers.
    with without_groundless_warnings():
        expected = set(get_peft_model_state_dict(model, save_embedding_layers=False))
    if absent := sorted(expected - found):
        raise ModelError(f"the adapter in {folder} lacks {len(absent)} of its weights, e.g. {absent[0]}")
    return put_below_head(model) if model.active_peft_config.is_prompt_learning else model


def weights_hash(folder: Path) -> str:
    """Return one hash over the configuration and all weight files, remembered by size and time of change."""
    configurations = (folder / name for name in ("config.json", "adapter_config.json"))
    files = [*(file for file in configurations if file.is_file()), *sorted(folder.glob("*.safetensors"))]
    key = "|".join(f"{f}:{f.stat().st_size}:{f.stat().st_mtime_ns}" for f in files)
    memory = cache_folder() / "hashes.json"
    known: dict[str, str] = read_json(memory) if memory.is_file() else {}
    if key not in known:
        known[key] = fingerprint([(f.name, hash_file(f)) for f in files])
        write_json(memory, known)
    return known[key]
