"""The `luthier` command: names and one-line helps; each command's code is imported when it is called."""

from __future__ import annotations

import logging
import os
import sys
import warnings
from collections.abc import Sequence

import click

from luthier import __version__
from luthier.cli.lazy import LazyGroup
from luthier.core.errors import LuthierError, system_refusal

COMMANDS = {
    "run": ("luthier.cli.run:run", "Do everything that a recipe asks for: data, train, evaluate, register."),
    "plan": ("luthier.cli.plan:plan", "Explain and predict a run without training."),
    "init": ("luthier.cli.init:init", "Copy a shipped recipe to start from."),
    "cross-validate": (
        "luthier.cli.cross_validate:cross_validate",
        "Train a recipe once for each fold; metrics with intervals.",
    ),
    "learning-curve": (
        "luthier.cli.learning_curve:learning_curve",
        "Train on shares of the rows: would more rows help?",
    ),
    "import": (
        "luthier.cli.import_recipe:import_recipe",
        "Turn a LLaMA-Factory or Axolotl YAML into a recipe.",
    ),
    "data": ("luthier.cli.data.group:data", "Look at rows, clean, compare, rate, multiply and version them."),
    "ab": ("luthier.cli.ab.group:ab", "Plan A/B tests, assign users, compare variants under peeking."),
    "rate": ("luthier.cli.rate.group:rate", "Let people or a model judge two models' answers, blind."),
    "runs": ("luthier.cli.runs:runs", "List, show and compare runs."),
    "models": ("luthier.cli.models:models", "List, show, promote and roll back registered models."),
    "evaluate": ("luthier.cli.evaluate:evaluate", "Measure a model, examine it and judge its gates."),
    "predict": (
        "luthier.cli.predict:predict",
        "Predict with a model that has a task's head, e.g. a classifier.",
    ),
    "explain": ("luthier.cli.explain:explain", "Show which words a classifier's answer stands on, checked."),
    "export": ("luthier.cli.export:export", "Write a result as a folder for other programs, checked."),
    "adapters": ("luthier.cli.adapters.group:adapters", "Combine several adapters of one base."),
    "chat": ("luthier.cli.chat:chat", "Talk to a run or a model."),
    "prompt": ("luthier.cli.prompt.group:prompt", "Write prompts with variables and examples; compare them."),
    "serve": ("luthier.cli.serve:serve", "Serve a run or a model over the OpenAI API."),
    "doctor": ("luthier.cli.doctor:doctor", "Check this machine and installation."),
}


@click.group(cls=LazyGroup, commands_at=COMMANDS, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="luthier")
def cli() -> None:
    """Fine-tune language models: one recipe from raw rows to a served, tested model."""


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line: a user's mistake prints fault and cure, a bug of ours keeps its traceback."""
    # Bars and warnings of other libraries would break ours; what a user must know, Luthier says itself.
    os.environ.setdefault("TQDM_DISABLE", "1")
    _share_cores()
    _bound_primitive_cache()
    warnings.filterwarnings("ignore", category=FutureWarning)
    # It asks for a kernel of its own that we do not call, whenever anything imports PEFT.
    logging.getLogger("bitsandbytes.backends.cpu.ops").setLevel(logging.ERROR)
    # PEFT imports bitsandbytes where it is installed, which then misses a package that Luthier has no use for.
    logging.getLogger("bitsandbytes.backends.cpu.ops").setLevel(logging.ERROR)
    try:
        cli.main(arguments, prog_name="luthier", standalone_mode=False)
    except click.exceptions.Exit as exit_request:
        sys.exit(exit_request.exit_code)
    except click.ClickException as error:
        error.show()
        sys.exit(2)
    except LuthierError as error:
        _end_with(error)
    except (KeyboardInterrupt, click.Abort):
        click.secho("luthier: interrupted", fg="red", err=True)
        sys.exit(130)
    except Exception as error:
        if (refusal := system_refusal(error)) is None:
            raise
        _end_with(refusal)


def _share_cores() -> None:
    """Let threads that wait for work spin for a moment only, unless the user says how they wait.

    Read when torch is imported. Beside another busy process the long default spin of GNU OpenMP holds the core
    that the work needs; on an idle machine a short one costs nothing. Measured: docs/LOG.md, bench/wait_policy.py.
    """
    if "OMP_WAIT_POLICY" not in os.environ:
        os.environ.setdefault("GOMP_SPINCOUNT", "1000")


def _bound_primitive_cache() -> None:
    """Keep 128 compiled matrix products instead of 1,024, unless the user says how many.

    Read when torch multiplies first. oneDNN compiles a product, of about 0.7 MB, for each new shape; a packed
    micro-batch has a new number of tokens, so that old ones are hardly ever met again, and one needs fewer than 128.
    """
    os.environ.setdefault("ONEDNN_PRIMITIVE_CACHE_CAPACITY", "128")


def _end_with(error: LuthierError) -> None:
    click.secho(f"luthier: {error}", fg="red", err=True)
    sys.exit(error.exit_code)
