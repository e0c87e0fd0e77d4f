"""What of an answer is code, and what it is run with: HumanEval's form, and plain tests."""

from __future__ import annotations

import ast
import re
import textwrap
import warnings
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor

from luthier.evaluate.pass_at_k.problems import Problem
from luthier.evaluate.pass_at_k.sandbox import Limits, Outcome, run_tests
from luthier.plan.hardware import count_cores

_OPENING = re.compile(r"([^`]*)(`{3,})[ \t]*([^\s`]*)[^`]*")
"""A line with text before the fence, the fence, and the name of a language."""
_CLOSING = re.compile(r"([^`]*)(`{3,})\s*")
_PYTHON = re.compile(r"(?:\{?\.?(?:i?python|py)[\d.]*\}?)?", re.IGNORECASE)
"""Names of Python, or none."""
_DEEPER = 4
"""Spaces from which on a fence is text of its block, such as of a docstring (CommonMark 0.31.2, section 4.5)."""


def code_of(answer: str) -> str:
    """Return what of an answer is code.

    The first block of Python, or without a language, also one that was cut off; or else the first of any language. A
    bare fence after code ends what the answer began with: that is taken. Without fences the whole answer.
    """
    start, blocks = _blocks_of(answer)
    if not blocks or (not blocks[0][0] and _is_code(answer[:start])):
        return answer[:start]
    return next((code for language, code in blocks if _PYTHON.fullmatch(language)), blocks[0][1])


def _blocks_of(answer: str) -> tuple[int, list[tuple[str, str]]]:
    """Return where the first fence begins, or the length of the answer, and each block's language and code."""
    first, at = len(answer), 0
    blocks: list[tuple[str, str]] = []
    fence, indent = "", 0  # of the open block
    for line in answer.splitlines(keepends=True):
        bare = line.rstrip()
        if not fence:
            if (found := _OPENING.fullmatch(bare)) and not (found[1].strip() and found.end(3) < len(bare)):
                fence, indent = found[2], 0 if found[1].strip() else len(found[1])
                blocks.append((found[3], ""))
                first = min(first, at + found.start(2))
        else:
            language, code = blocks[-1]
            closing, added = _CLOSING.fullmatch(bare), line
            if closing and len(closing[2]) >= len(fence) and not _is_deep(closing[1], indent):
                fence, added = "", closing[1] if closing[1].strip() else ""
            # A block in a list is indented as a whole.
            blocks[-1] = language, code + re.sub(rf"^[ \t]{{0,{indent}}}", "", added)
        at += len(line)
    return first, blocks


def _is_deep(before: str, indent: int) -> bool:
    """Whether nothing but deep space stands before a fence."""
    return not before.strip() and len(before.expandtabs(4)) >= indent + _DEEPER


def _is_code(text: str) -> bool:
    """Whether a text is statements or calls of Python: words alone, as "Sure", are no more than its names."""
    body = _parsed(textwrap.dedent(text))
    return any(
        isinstance(each.value, (ast.Call, ast.Await, ast.Yield))
        if isinstance(each, ast.Expr)
        else not isinstance(each, ast.AnnAssign) or each.value is not None
        for each in body or ()
    )


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
    """Return what became of answers, equal programs run once; as many at a time as there are cores.

    Args:
        tried: Problems, each with an answer.
        limits: Of each run.
        on_progress: Told how many programs were run, in answers.
    """
    programs = [(program_of(problem, answer), judge_of(problem)) for problem, answer in tried]
    once = list(dict.fromkeys(programs))
    outcomes: dict[tuple[str, str], Outcome] = {}
    pool = ThreadPoolExecutor(count_cores())
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
    body = _parsed(code)
    if body is None:  # a definition may still begin a line
        return re.search(rf"^(?:async +def|def|class) +{re.escape(name)}\b", code, re.MULTILINE) is not None
    kinds = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)
    return any(isinstance(each, kinds) and each.name == name for each in body)


def _parsed(code: str) -> list[ast.stmt] | None:
    """Return the statements of a program; None where it was cut off, or is none."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of strings with strange escapes, which are not ours
            return ast.parse(code).body
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None
