"""Check of the mechanical rules for words (CONTRIBUTING.md): ``python -m tests.words [PATH …]``.

Without arguments it checks the paths in ``CLEAN``. It prints each violation as ``file:line: rule`` and exits with
status 1 if there is one.
"""

from __future__ import annotations

import ast
import io
import re
import sys
import tokenize
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parent.parent

CLEAN = (
    "README.md",
    "CHANGELOG.md",
    "CONTRIBUTING.md",
    "docs",
    "fetcher",
    "tasks",
    "schedules.py",
    "benchmarks",
    "tests",
)
"""Files and folders that follow the rules. Add a path when it is clean."""

LONGEST = 40
"""Most words of a sentence in a docstring. Longer sentences state more than one proposition."""

_OPENING = re.compile(r"(?:What|Whose|Who|Whom|How|Whether|Where|When|Those|So many)\b")
_FORBIDDEN = re.compile(r"(?i)\b(?:anew|of late|for ever|likewise|somebody|nobody|everybody|telling-off)\b")
_RETIRED = re.compile(
    r"(?:(?:^|_)(?i:arena|blow|doom|amiss|house|desk)|(?:Arena|Blow|Doom|Amiss|House|Desk))s?(?=_|[A-Z\d]|$)"
)
"""Words in identifiers that only this project knew: cluster, fault, crash point, mismatch and harness replace them."""
_QUOTED = re.compile(r"``.+?``|`[^`\n]+`|\"[^\"\n]*\"|“[^”\n]*”", re.DOTALL)
_FENCED = re.compile(r"^```.*?^```", re.MULTILINE | re.DOTALL)
_SENTENCE = re.compile(r"(?<=[.!?])\s+|\n\s*\n|\n\s*(?=[-*|] )")


@dataclass(frozen=True, slots=True)
class Violation:
    """One place that breaks a rule."""

    path: str
    line: int
    rule: str

    def __str__(self) -> str:
        return f"{self.path}:{self.line}: {self.rule}"


def violations(text: str, path: str) -> list[Violation]:
    """Return the violations in a file's text, in the order of its lines. ``path`` ends in ``.py`` or ``.md``."""
    found = _of_python(text) if path.endswith(".py") else _forbidden(_FENCED.sub(_blank, text), 1)
    return [Violation(path, line, rule) for line, rule in sorted(found)]


def _of_python(text: str) -> Iterator[tuple[int, str]]:
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str):
            yield from _forbidden(node.value.value, node.lineno)
            yield from _long(node.value.value, node.lineno)
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and (opening := _OPENING.match(_docstring(node))):
            yield node.body[0].lineno, f'the docstring of {node.name} opens with "{opening[0]}": begin with a verb'
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        if token.type == tokenize.NAME and _RETIRED.search(token.string):
            yield token.start[0], f'the identifier "{token.string}" uses a retired word'
        if token.type == tokenize.COMMENT:
            yield from _forbidden(token.string, token.start[0])


def _docstring(node: ast.FunctionDef | ast.AsyncFunctionDef) -> str:
    return ast.get_docstring(node) or ""


def _forbidden(text: str, first_line: int) -> Iterator[tuple[int, str]]:
    plain = _QUOTED.sub(_blank, text)
    for found in _FORBIDDEN.finditer(plain):
        yield first_line + plain.count("\n", 0, found.start()), f'"{found[0]}" is not a word of this project'


def _long(text: str, first_line: int) -> Iterator[tuple[int, str]]:
    at = 0
    for sentence in _SENTENCE.split(text):
        at = text.index(sentence, at)
        if (words := len(sentence.split())) > LONGEST:
            yield first_line + text.count("\n", 0, at), f"a sentence of {words} words: at most {LONGEST}"


def _blank(found: re.Match[str]) -> str:
    """Return as many empty lines as the match spans, so that line numbers stay."""
    return "\n" * found[0].count("\n")


def files_of(paths: Sequence[str]) -> list[Path]:
    """Return the Python and Markdown files of ``paths``, which are relative to the project."""
    found = [f for p in paths for f in ([ROOT / p] if (ROOT / p).is_file() else sorted((ROOT / p).rglob("*")))]
    return [file for file in found if file.suffix in {".py", ".md"}]


def main(paths: Sequence[str]) -> int:
    """Print the violations in ``paths``, by default in ``CLEAN``, and return the exit status."""
    files = files_of(paths or CLEAN)
    found = [one for file in files for one in violations(file.read_text("utf-8"), str(file.relative_to(ROOT)))]
    sys.stdout.writelines(f"{one}\n" for one in found)
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
