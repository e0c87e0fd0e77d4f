"""Find a base (folder, GGUF file, catalogue name, hub id), check it, and load it with every weight in place."""

from __future__ import annotations

import difflib
import logging
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from luthier.core.errors import ModelError
from luthier.core.files import atomic_folder, manifest_faults, manifest_of, read_json, write_json
from luthier.core.hashing import fingerprint, hash_file, short
from luthier.core.home import cache_folder
from luthier.models.catalogue import CATALOGUE

if TYPE_CHECKING:
    import torch
    from transformers import PreTrainedModel

RESULT_FILE = "luthier.json"
"""Beside the weights of a model that Luthier made: its base, method and the hashes that it was trained with."""

_CONVERSION_FILE = "conversion.json"
_log = logging.getLogger(__name__)


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
        return _converted(path, label=path.stem, sha256=hash_file(path))
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
    return check_folder(path) if path.is_dir() else _converted(path, label=name, sha256=entry.sha256)


def _from_hub(name: str) -> Path:
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HfHubHTTPError, LocalEntryNotFoundError, OfflineModeIsEnabled

    patterns = ["*.json", "*.safetensors", "*.jinja", "*.model", "*.txt", "*.py"]
    try:
        return check_folder(Path(snapshot_download(name, allow_patterns=patterns)))
    except (LocalEntryNotFoundError, OfflineModeIsEnabled, HfHubHTTPError, ConnectionError) as error:
        raise ModelError(
            f"{name} could not be had from the hub ({type(error).__name__})",
            cure="check the name and the connection, or name a local folder or a catalogue base",
        ) from error


def _converted(gguf: Path, *, label: str, sha256: str) -> Path:
    """Return the GGUF file's conversion from the cache; a damaged or missing one is made (again)."""
    folder = cache_folder() / "bases" / f"{label}-{short(sha256)}"
    record = folder / _CONVERSION_FILE
    if record.is_file():
        conversion = read_json(record)
        if conversion["source_sha256"] == sha256 and not manifest_faults(folder, conversion["files"]):
            return folder
    _convert_gguf(gguf, folder, sha256)
    return folder


def _convert_gguf(gguf: Path, folder: Path, sha256: str) -> None:
    """Dequantize a GGUF file once into a plain folder in bfloat16."""
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer
    from transformers.utils import logging as transformers_logging

    transformers_logging.disable_progress_bar()
    _log.warning("converting %s into %s, once", gguf.name, folder)
    try:
        model: Any = AutoModelForCausalLM.from_pretrained(
            gguf.parent, gguf_file=gguf.name, dtype=torch.float32
        )
        tokenizer = AutoTokenizer.from_pretrained(gguf.parent, gguf_file=gguf.name)
    except (ValueError, KeyError, OSError) as error:
        raise ModelError(f"{gguf} cannot be read as a GGUF model: {error}") from error
    # transformers refuses to save a model that still calls itself quantized.
    del model.config.quantization_config
    model.hf_quantizer = None
    with atomic_folder(folder) as partial:
        model.to(torch.bfloat16).save_pretrained(partial)
        tokenizer.save_pretrained(partial)
        write_json(partial / _CONVERSION_FILE, {"source_sha256": sha256, "files": manifest_of(partial)})


def load_model(folder: Path, *, dtype: torch.dtype, trust_remote_code: bool = False) -> PreTrainedModel:
    """Load a causal language model in evaluation mode.

    Args:
        folder: Hugging Face layout.
        dtype: Type of all weights after loading.
        trust_remote_code: Run the repository's own code; only where the recipe says so.

    Raises:
        ModelError: The folder is incomplete, or any weight would be left at a random value.
    """
    from transformers import AutoModelForCausalLM
    from transformers.utils import logging as transformers_logging

    check_folder(folder)
    transformers_logging.disable_progress_bar()
    try:
        loaded: Any = AutoModelForCausalLM.from_pretrained(
            folder,
            dtype=dtype,
            local_files_only=True,
            use_safetensors=True,
            trust_remote_code=trust_remote_code,
            output_loading_info=True,
        )
    except (OSError, ValueError, KeyError, RuntimeError) as error:
        raise ModelError(f"{folder} cannot be loaded as a causal language model: {error}") from error
    model, report = loaded
    # transformers fills absent weights with random numbers and goes on; a random layer ruins a model silently.
    if absent := sorted(report["missing_keys"]) + sorted(str(k) for k in report["mismatched_keys"]):
        raise ModelError(f"{folder} lacks {len(absent)} weights of its architecture, e.g. {absent[0]}")
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

    def save(self, folder: Path) -> None:
        """Write the record into the result's folder."""
        write_json(folder / RESULT_FILE, vars(self))

    @classmethod
    def load(cls, folder: Path) -> ResultRecord | None:
        """Return the record, or None for a model that Luthier did not make."""
        path = folder / RESULT_FILE
        return cls(**read_json(path)) if path.is_file() else None


def load_trained(folder: Path, *, dtype: torch.dtype) -> tuple[Any, Path]:
    """Load a result: a whole model, or an adapter over its base.

    Returns:
        The model in evaluation mode (a ``peft.PeftModel`` for adapters) and the folder of its tokenizer.

    Raises:
        ModelError: The adapter's base cannot be found or is another one than it was trained on.
    """
    check_folder(folder)
    if not (folder / "adapter_config.json").is_file():
        return load_model(folder, dtype=dtype), folder
    from peft import PeftModel

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
    model = PeftModel.from_pretrained(load_model(base_folder, dtype=dtype), str(folder), is_trainable=False)
    has_tokenizer = (folder / "tokenizer.json").is_file() or (folder / "tokenizer_config.json").is_file()
    return model.eval(), folder if has_tokenizer else base_folder


def weights_hash(folder: Path) -> str:
    """Return one hash over the configuration and all weight files, remembered by size and time of change."""
    files = [folder / "config.json", *sorted(folder.glob("*.safetensors"))]
    key = "|".join(f"{f}:{f.stat().st_size}:{f.stat().st_mtime_ns}" for f in files)
    memory = cache_folder() / "hashes.json"
    known: dict[str, str] = read_json(memory) if memory.is_file() else {}
    if key not in known:
        known[key] = fingerprint([(f.name, hash_file(f)) for f in files])
        write_json(memory, known)
    return known[key]
