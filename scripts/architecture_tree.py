"""Write the module tree of ARCHITECTURE.md from the modules' own first lines; ``--check`` only compares."""

from __future__ import annotations

import ast
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PAGE = ROOT / "ARCHITECTURE.md"
BEGIN, END = "<!-- tree: made by `make docs` -->\n", "<!-- /tree -->"
ORDER = ("core", "recipe", "plan", "data", "models", "kernels", "methods", "objectives", "train", "evaluate",
         "prompts", "registry", "serve", "pipeline", "cli")  # fmt: skip


def first_line(path: Path) -> str:
    """Return the first line of a module's docstring, without its full stop."""
    docstring = ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) or ""
    return docstring.split("\n")[0].rstrip(".")


def tree() -> str:
    """Return the tree as a Markdown code block."""
    package = ROOT / "src" / "luthier"
    found = {path.name for path in package.iterdir() if (path / "__init__.py").is_file()}
    if found != set(ORDER):
        sys.exit(
            f"scripts/architecture_tree.py: ORDER differs from the packages: {sorted(found ^ set(ORDER))}"
        )
    lines = ["```text", "src/luthier/"]
    for name in ORDER:
        lines += folder_lines(package / name, depth=1)
    return "\n".join([*lines, "```", ""])


def folder_lines(folder: Path, depth: int) -> list[str]:
    """Return a folder and what is in it."""
    indent = "  " * depth
    lines = [f"{indent}{folder.name + '/':<{34 - 2 * depth}}{first_line(folder / '__init__.py')}"]
    for path in sorted(folder.iterdir()):
        if (path / "__init__.py").is_file():
            lines += folder_lines(path, depth + 1)
        elif path.suffix == ".py" and path.name != "__init__.py":
            lines.append(f"{indent}  {path.name:<{32 - 2 * depth}}{first_line(path)}")
    return lines


def main() -> None:
    """Rewrite the page, or fail if it would change."""
    text = PAGE.read_text(encoding="utf-8")
    before, _, rest = text.partition(BEGIN)
    after = rest.partition(END)[2]
    new = f"{before}{BEGIN}{tree()}{END}{after}"
    if "--check" not in sys.argv:
        PAGE.write_text(new, encoding="utf-8")
    elif new != text:
        sys.exit("ARCHITECTURE.md is behind the code: run `make docs`")


if __name__ == "__main__":
    main()
