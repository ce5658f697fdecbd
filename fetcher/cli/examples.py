"""Examples from each command's docstring, shown one a line below its help.

Typer prints a docstring's paragraphs with the line breaks of the source. Prose is therefore joined. Text after
``Examples:``, separated by ``·``, becomes separate lines.
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
    """Set the help and the examples of each command of ``app`` and its groups from the docstrings."""
    for info, docstring in _commands(app):
        prose, examples = parted(docstring)
        info.help = prose
        info.epilog = (
            "\n".join(["[bold]Examples[/]", *(f"$ {escape(line)}" for line in examples)]) if examples else None
        )


def parted(docstring: str) -> tuple[str, list[str]]:
    """Split a docstring into its prose, one line a paragraph, and its examples."""
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
