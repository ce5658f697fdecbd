"""Messages for users make sense on a machine that has only the installed package."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
MODULES = [
    path for name in ("fetcher", "tasks") for path in sorted((ROOT / name).rglob("*.py")) if path.name != "reference.py"
]
_FILE_OF_THE_SOURCE = re.compile(r"\bdocs/|\bdeploy/|\bProcfile\b|README")


def _texts(tree: ast.Module, *, of_commands: bool) -> Iterator[ast.Constant]:
    """Yield every string but docstrings. ``of_commands``: the docstring of a public function is a command's help."""
    alone = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    functions = (node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef) and not node.name.startswith("_"))
    shown = {id(node.body[0].value) for node in functions if of_commands and isinstance(node.body[0], ast.Expr)}
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in alone - shown:
            yield node


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(ROOT)))
def test_no_message_names_a_file_of_the_source(path: Path) -> None:
    """A wheel has no docs/ and no Procfile, so a message states the remedy itself."""
    texts = _texts(ast.parse(path.read_text("utf-8")), of_commands=path.parent.name == "cli")
    found = [node for node in texts if _FILE_OF_THE_SOURCE.search(str(node.value))]
    assert [f"line {node.lineno}: {node.value!r}" for node in found] == []
