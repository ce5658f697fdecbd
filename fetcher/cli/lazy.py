"""Commands that are imported when they are invoked.

Help and completion list every command. They use the summaries below, so that one command's libraries are not imported
for another one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, MutableMapping, Sequence
from dataclasses import dataclass
from importlib import import_module
from typing import Any

import typer
from typer.core import TyperCommand, TyperGroup


@dataclass(frozen=True, slots=True)
class LazyCommand:
    """A command, or a group of commands, by the name of its module and of its function or ``typer.Typer`` there."""

    name: str
    module: str
    attribute: str
    summary: str
    """First paragraph of its help, which the list of commands shows. A test compares both."""
    cls: str | None = None
    """Name of the command's class in the module; default: Typer's."""

    def load(self) -> Any:
        """Import the module and return the command."""
        from fetcher.cli.examples import with_examples  # noqa: PLC0415  (imports rich)

        module = import_module(self.module)
        found = getattr(module, self.attribute)
        holder = typer.Typer(rich_markup_mode="rich", pretty_exceptions_enable=False, add_completion=False)
        holder.callback()(_nothing)
        if isinstance(found, typer.Typer):
            holder.add_typer(found, name=self.name)
        else:
            holder.command(self.name, cls=getattr(module, self.cls) if self.cls else None)(found)
        with_examples(holder)
        group: Any = typer.main.get_command(holder)
        return group.commands[self.name]


class Commands(MutableMapping[str, Any]):
    """Commands by name. Reading one imports it; listing the names imports none."""

    def __init__(self, lazy: Sequence[LazyCommand], loaded: Mapping[str, Any]) -> None:
        self.lazy = {one.name: one for one in lazy}
        self._loaded = dict(loaded)

    def __getitem__(self, name: str) -> Any:
        if name not in self._loaded:
            self._loaded[name] = self.lazy[name].load()
        return self._loaded[name]

    def __setitem__(self, name: str, command: Any) -> None:
        self._loaded[name] = command

    def __delitem__(self, name: str) -> None:
        raise TypeError("commands are not removed")

    def __iter__(self) -> Iterator[str]:
        return iter(dict.fromkeys([*self.lazy, *self._loaded]))

    def __len__(self) -> int:
        return len(self.lazy.keys() | self._loaded.keys())

    def __contains__(self, name: object) -> bool:
        return name in self.lazy or name in self._loaded


def lazy_group(commands: Sequence[LazyCommand]) -> type[TyperGroup]:
    """Return the class of a group with these commands."""

    class LazyGroup(TyperGroup):
        """Group that lists its commands by their summaries."""

        def __init__(self, **attributes: Any) -> None:
            super().__init__(**attributes)
            self.commands = Commands(commands, self.commands)
            self._listing = False

        def list_commands(self, ctx: Any) -> list[str]:
            return list(self.commands)

        def get_command(self, ctx: Any, cmd_name: str) -> Any:
            if cmd_name not in self.commands:
                return None
            if self._listing and cmd_name in _summaries:
                return TyperCommand(cmd_name, help=_summaries[cmd_name])
            return self.commands[cmd_name]

        def invoke(self, ctx: Any) -> Any:
            try:
                return super().invoke(ctx)
            except typer.BadParameter as error:
                error.message = error.message.removeprefix("Value error, ")  # Pydantic's, before Typer's own text
                raise

        def format_help(self, ctx: Any, formatter: Any) -> None:
            self._list(lambda: super(LazyGroup, self).format_help(ctx, formatter))

        def shell_complete(self, ctx: Any, incomplete: str) -> Any:
            return self._list(lambda: super(LazyGroup, self).shell_complete(ctx, incomplete))

        def _list(self, work: Callable[[], Any]) -> Any:
            self._listing = True
            try:
                return work()
            finally:
                self._listing = False

    _summaries: Mapping[str, str] = {one.name: one.summary for one in commands}
    return LazyGroup


def _nothing() -> None:
    """Keep a single command a member of its group."""
