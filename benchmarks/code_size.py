"""``python -m benchmarks.code_size``: size of the code and hits of prose patterns, for any revision.

The first table has modules, functions and classes, measured from the syntax tree. The second has the words of all
docstrings, comments and Markdown, and the number of hits of each pattern that CONTRIBUTING.md advises against. The
patterns also match acceptable text, so a change of a number counts, not the number. ``--revision`` measures a commit
instead of the working tree.
"""

from __future__ import annotations

import ast
import io
import re
import statistics
import subprocess
import tarfile
import tempfile
import tokenize
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, TypeAlias

import typer
from rich.console import Console
from rich.table import Table

ROOT = Path(__file__).parent.parent

PARTS: Mapping[str, tuple[str, ...]] = {
    "product": ("fetcher", "tasks", "schedules.py"),
    "its simulator": ("fetcher/simulator",),
    "tests": ("tests",),
    "benchmarks": ("benchmarks",),
}
"""Paths of each row of the first table. The product's row excludes the simulator."""

PROSE: Mapping[str, tuple[str, ...]] = {
    "product": ("fetcher", "tasks", "schedules.py"),
    "documents": ("docs", "README.md", "CHANGELOG.md", "deploy"),
    "tests": ("tests",),
    "benchmarks": ("benchmarks",),
}
"""Paths of each column of the second table."""

LONG = 40
"""Lines of a function, without its docstring, above which it is counted as long."""

OPENINGS = re.compile(r"(?:What|Whose|Who|Whom|How|Whether|Where|When|Those|So many)\b")
NOUN_OPENINGS = re.compile(r"(?:The|A|An|One|Every|Each|All)\b")

PATTERNS: Mapping[str, re.Pattern[str]] = {
    name: re.compile(rf"(?i){pattern}")
    for name, pattern in {
        "P2 stranded of": r"\bof(?=[.,;:)])",
        "P3 so many, than which": r"\bso (?:many|much|few|large|long|old|often)\b|\bthan which\b",
        "P4 ask, tell, say, hear": r"\b(?:ask(?:s|ed|ing)?|tell(?:s|ing)?|told|sa(?:y|ys|id|ying)|hear(?:s|d|ing)?)\b",
        "P4 answer": r"\banswer(?:s|ed|ing)?\b",
        "P5 somebody, people": r"\b(?:some|no|every|any)body\b|\bpeople\b|\bpersons?\b",
        "P5 who": r"\bwho(?:m|ever)?\b",
        "P6 archaic words": r"\b(?:anew|of late|for ever|likewise|mend(?:s|ed|ing)?|hitherto|thereby|whence|lest)\b",
        "P7 else": r"(?<!thing )(?<!where )(?<!or )\belse\b",
        "P7 , too": r", too\b",
        "P8 clause after ; or :": r";\s|:\s+[a-z]",
        "P9 metaphors": r"\b(?:house|door|blow|gust|melt|heal|wish|debt|judge|doom|metronome)(?:s|ed|es)?\b",
    }.items()
}
"""Prose patterns by the numbers of the review that named them. P1 and P10 concern openings of docstrings."""

Function: TypeAlias = ast.FunctionDef | ast.AsyncFunctionDef
_QUOTED = re.compile(r"``.+?``|`[^`\n]+`|\"[^\"\n]*\"|“[^”\n]*”", re.DOTALL)
_DATA = re.compile(r"\b(?:dataclass|NamedTuple|TypedDict|BaseModel)\b")
_FENCED = re.compile(r"^```.*?^```", re.MULTILINE | re.DOTALL)


@dataclass(frozen=True, slots=True)
class Size:
    """Measurements of a set of modules."""

    files: int
    lines: int
    median_module: float
    functions: int
    mean_function: float
    """Mean number of lines of a function, without its docstring."""
    long_functions: int
    data_classes: int
    """Dataclasses, named tuples, typed dictionaries and pydantic models."""
    classes: int
    function_docstrings: int
    openings: int
    """Docstrings of functions that open with what, how, whether, who …"""
    noun_openings: int
    """Docstrings of functions that open with an article or "every"."""

    def cells(self) -> list[str]:
        """Return the row of the table."""
        return [
            f"{self.files}",
            f"{self.lines:,}",
            f"{self.median_module:g}",
            f"{self.functions:,}",
            f"{self.mean_function:.1f}",
            f"{self.long_functions}",
            f"{self.data_classes} / {self.classes}",
            f"{self.openings} of {self.function_docstrings:,} ({_share(self.openings, self.function_docstrings)})",
            _share(self.noun_openings, self.function_docstrings),
        ]


def size_of(files: Iterable[Path]) -> Size:
    """Measure Python modules. Empty ones are left out."""
    texts = [text for file in files if (text := file.read_text("utf-8")).strip()]
    lengths = [text.count("\n") for text in texts]
    nodes = [node for text in texts for node in ast.walk(ast.parse(text))]
    functions = [node for node in nodes if isinstance(node, Function)]
    classes = [node for node in nodes if isinstance(node, ast.ClassDef)]
    sizes = [_length(one) for one in functions]
    docstrings = [found for one in functions if (found := ast.get_docstring(one))]
    return Size(
        files=len(texts),
        lines=sum(lengths),
        median_module=statistics.median(lengths or [0]),
        functions=len(functions),
        mean_function=statistics.fmean(sizes or [0]),
        long_functions=sum(size > LONG for size in sizes),
        data_classes=sum(_DATA.search(ast.unparse(part)) is not None for one in classes for part in _marks(one)),
        classes=len(classes),
        function_docstrings=len(docstrings),
        openings=sum(OPENINGS.match(text) is not None for text in docstrings),
        noun_openings=sum(NOUN_OPENINGS.match(text) is not None for text in docstrings),
    )


def _marks(one: ast.ClassDef) -> list[ast.expr]:
    return [*one.decorator_list, *one.bases]


def _length(function: Function) -> int:
    """Return a function's lines from ``def`` to its end, without its docstring."""
    first = function.body[0]
    documented = ast.get_docstring(function) is not None
    return _lines(function) - (_lines(first) if documented else 0)


def _lines(node: ast.stmt) -> int:
    return (node.end_lineno or node.lineno) - node.lineno + 1


def hits_of(files: Iterable[Path]) -> Counter[str]:
    """Count words, docstrings that open with a clause, and the hits of each pattern, in Python and Markdown files."""
    found: Counter[str] = Counter()
    for file in files:
        for text, is_docstring in _prose(file):
            plain = _QUOTED.sub(" ", text)
            found["words"] += len(plain.split())
            found["P1 what, how, who opens"] += is_docstring and OPENINGS.match(text) is not None
            found.update({name: len(pattern.findall(plain)) for name, pattern in PATTERNS.items()})
    return found


def _prose(file: Path) -> Iterator[tuple[str, bool]]:
    """Yield the docstrings and comments of a module, or the text of a Markdown file; True marks a docstring."""
    text = file.read_text("utf-8")
    if file.suffix == ".md":
        yield _FENCED.sub("", text), False
        return
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str):
            yield node.value.value.strip(), True
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        if token.type == tokenize.COMMENT:
            yield token.string.removeprefix("#"), False


def files_in(root: Path, paths: Iterable[str], suffixes: frozenset[str]) -> list[Path]:
    """Return the files under ``paths`` with one of ``suffixes``, as far as they exist."""
    named = [root / path for path in paths]
    found = [file for path in named for file in ([path] if path.is_file() else sorted(path.rglob("*")))]
    return [file for file in found if file.suffix in suffixes and file.is_file()]


def measure(root: Path) -> tuple[dict[str, Size], dict[str, Counter[str]]]:
    """Measure a tree of the project: sizes by part, and hits by part."""
    python = frozenset({".py"})
    parts = {name: files_in(root, paths, python) for name, paths in PARTS.items()}
    parts["product"] = [file for file in parts["product"] if root / "fetcher" / "simulator" not in file.parents]
    sizes = {name: size_of(files) for name, files in parts.items()}
    hits = {name: hits_of(files_in(root, paths, python | {".md"})) for name, paths in PROSE.items()}
    return sizes, hits


def unpack(revision: str, folder: Path) -> None:
    """Write the files of a revision into ``folder``."""
    archive = subprocess.run(["git", "archive", revision], cwd=ROOT, capture_output=True, check=True).stdout
    with tarfile.open(fileobj=io.BytesIO(archive)) as tar:
        tar.extractall(folder, filter="data")


def _share(part: int, total: int) -> str:
    return f"{part / total:.0%}" if total else "–"


def _print(console: Console, sizes: Mapping[str, Size], hits: Mapping[str, Counter[str]]) -> None:
    headings = ("", "files", "lines", "median module", "functions", "mean length", f"> {LONG} lines")
    table = Table(*headings, "data classes / classes", "what/how/who opens", "The/A/Every opens", box=None)
    for name, size in sizes.items():
        table.add_row(name, *size.cells())
    console.print(table, "")
    prose = Table("", *hits, "all", box=None)
    for name in ("words", "P1 what, how, who opens", *PATTERNS):
        counts = [count[name] for count in hits.values()]
        prose.add_row(name, *(f"{count:,}" for count in [*counts, sum(counts)]))
    console.print(prose)


def main(
    revision: Annotated[
        list[str] | None, typer.Option(help="Commit to measure instead of the working tree. Repeatable.")
    ] = None,
) -> None:
    """Print both tables for the working tree, or for each revision."""
    console = Console(width=160)
    for one in revision or [""]:
        with tempfile.TemporaryDirectory(prefix="code-size-") as folder:
            root = Path(folder) if one else ROOT
            if one:
                unpack(one, root)
            console.print(f"[bold]{one or 'working tree'}[/]")
            _print(console, *measure(root))
            console.print()


if __name__ == "__main__":
    typer.run(main)
