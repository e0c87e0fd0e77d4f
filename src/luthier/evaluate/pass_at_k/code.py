"""What of an answer is code, and what it is run with: HumanEval's form, and plain tests."""

from __future__ import annotations

import ast
import re
import warnings
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from os import cpu_count

from luthier.evaluate.pass_at_k.problems import Problem
from luthier.evaluate.pass_at_k.sandbox import Limits, Outcome, run_tests

_BLOCK = re.compile(r"```[ \t]*(?:python|py|python3)?[ \t]*\r?\n(.*?)(?:```|\Z)", re.DOTALL | re.IGNORECASE)


def code_of(answer: str) -> str:
    """Return the first code block of an answer, also one that was cut off, or else the whole answer."""
    found = _BLOCK.search(answer)
    return found.group(1) if found else answer


def program_of(problem: Problem, answer: str) -> str:
    """Return the code that is tested.

    Where the prompt is the beginning of a program, as HumanEval's, an answer goes on where it ends, or defines the
    function itself, after what the prompt imports and defines; else the answer is all.

    Args:
        problem: Its prompt, and the function that is wanted.
        answer: Of a model.
    """
    code = code_of(answer)
    if not problem.entry_point or not _defines(problem.prompt, problem.entry_point):
        return code
    between = "\n\n" if _defines(code, problem.entry_point) else ""
    return f"{problem.prompt}{between}{code}"


def judge_of(problem: Problem) -> str:
    """Return the tests, and where they define HumanEval's ``check`` for an entry point, its call."""
    call = (
        f"\ncheck({problem.entry_point})\n" if problem.entry_point and _defines(problem.test, "check") else ""
    )
    return f"{problem.test}\n{call}"


def run_all(
    tried: Sequence[tuple[Problem, str]], limits: Limits, on_progress: Callable[[int], None]
) -> list[Outcome]:
    """Return what became of answers, equal programs run once; as many at a time as there are processors.

    Args:
        tried: Problems, each with an answer.
        limits: Of each run.
        on_progress: Told how many programs were run, in answers.
    """
    programs = [(program_of(problem, answer), judge_of(problem)) for problem, answer in tried]
    once = list(dict.fromkeys(programs))
    outcomes: dict[tuple[str, str], Outcome] = {}
    pool = ThreadPoolExecutor(cpu_count() or 1)
    try:
        found = pool.map(lambda each: run_tests(each[0], each[1], limits), once)
        for number, (program, outcome) in enumerate(zip(once, found, strict=True), start=1):
            outcomes[program] = outcome
            on_progress(len(tried) * number // len(once))
    finally:
        # Interrupted, what is not begun is not waited for.
        pool.shutdown(cancel_futures=True)
    return [outcomes[program] for program in programs]


def _defines(code: str, name: str) -> bool:
    """Whether a program defines a function or class of a name at its top level."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of strings with strange escapes, which are not ours
            body = ast.parse(code).body
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        # Cut off, or no program: a definition may still begin a line.
        return re.search(rf"^(?:async +def|def|class) +{re.escape(name)}\b", code, re.MULTILINE) is not None
    kinds = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)
    return any(isinstance(each, kinds) and each.name == name for each in body)
