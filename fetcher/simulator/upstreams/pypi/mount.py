"""The registry's entry of the package index."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from typing import TYPE_CHECKING, Annotated, Any

import typer

from fetcher.simulator.mount import CannotLaunchError, Mount, Upstream
from fetcher.simulator.upstreams.pypi.settings import Index, PyPISettings

if TYPE_CHECKING:
    from fetcher.simulator.world import World


class PyPIMount(Mount):
    """The package index under ``/index``."""

    name = "pypi"
    prefix = "/index"

    def read_options(
        self,
        mirror: Annotated[
            list[str] | None,
            typer.Option(help="Missing from the package index: etags, serials, json-api, simple-json. Repeatable."),
        ] = None,
    ) -> Mapping[str, Any]:
        offered = {one.name.replace("_", "-"): one.name for one in fields(Index)}
        for name in mirror or ():
            if name not in offered:
                raise CannotLaunchError(f"--mirror {name}: expected one of {', '.join(offered)}")
        return {"index": Index(**{offered[name]: False for name in mirror or ()})}

    def open(self, world: World, settings: PyPISettings) -> Upstream:
        from fetcher.simulator.upstreams.pypi.upstream import PyPI  # noqa: PLC0415 - see Mount

        return PyPI(world, settings.index)
