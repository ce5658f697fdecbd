"""The examples at the end of each command's docstring, a line each under its help.

Typer would print a docstring's paragraphs with the line breaks that it has in the source. So prose is joined, and
what follows ``Examples:``, parted by ``·``, becomes lines of their own.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterator
from typing import Any

import typer
from rich.markup import escape

_EXAMPLES = re.compile(r"\bExamples?: ")


def with_examples(app: typer.Typer) -> None:
    """Give each command of ``app``, and of its groups, the help and the examples of its docstring."""
    for info, docstring in _commands(app):
        prose, examples = parted(docstring)
        info.help = prose
        info.epilog = (
            "\n".join(["[bold]Examples[/]", *(f"$ {escape(line)}" for line in examples)]) if examples else None
        )


def parted(docstring: str) -> tuple[str, list[str]]:
    """A docstring's prose, a line each paragraph, and its examples."""
    prose, *rest = _EXAMPLES.split(inspect.cleandoc(docstring))
    paragraphs = [" ".join(paragraph.split()) for paragraph in prose.split("\n\n")]
    examples = [" ".join(example.split()) for part in rest for example in re.split(r"\s·\s", part)]
    return "\n\n".join(paragraph for paragraph in paragraphs if paragraph), examples


def _commands(app: typer.Typer) -> Iterator[tuple[Any, str]]:
    for command in app.registered_commands:
        yield command, (command.callback and command.callback.__doc__) or ""
    for group in app.registered_groups:
        inner = group.typer_instance
        if inner is not None:
            called = inner.registered_callback
            if called is not None and called.callback is not None and called.invoke_without_command is True:
                yield group, called.callback.__doc__ or ""
            with_examples(inner)
