"""``fetcher simulate``: the simulator; with ``--plan``, the command ``fetcher estimate``."""

from __future__ import annotations

from typing import Any

from typer.core import TyperCommand

from fetcher.simulator.command import simulate

__all__ = ["Simulate", "simulate"]

PLAN = "--plan"
ESTIMATE = "estimate"


class Simulate(TyperCommand):
    """The command ``simulate``, which passes its other options to ``estimate`` if ``--plan`` is among them."""

    def make_context(self, info_name: str | None, args: list[str], parent: Any = None, **extra: Any) -> Any:
        """Return the context of ``estimate`` for ``--plan``, otherwise this command's."""
        if PLAN not in args or parent is None:
            return super().make_context(info_name, args, parent, **extra)
        estimate = parent.command.get_command(parent, ESTIMATE)
        return estimate.make_context(ESTIMATE, [one for one in args if one != PLAN], parent, **extra)
