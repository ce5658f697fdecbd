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
            typer.Option(help="Missing from the index: etags, serials, json-api, simple-json, feed. Repeatable."),
        ] = None,
        other_releases: Annotated[
            float, typer.Option(min=0, help="Releases a minute of projects outside the catalogue, in the feed.")
        ] = 0.0,
    ) -> Mapping[str, Any]:
        offered = {one.name.replace("_", "-"): one.name for one in fields(Index)}
        for name in mirror or ():
            if name not in offered:
                raise CannotLaunchError(f"--mirror {name}: expected one of {', '.join(offered)}")
        index = Index(**{offered[name]: False for name in mirror or ()})
        return {"index": index, "others_per_minute": other_releases}

    def open(self, world: World, settings: PyPISettings) -> Upstream:
        from fetcher.simulator.upstreams.pypi.upstream import PyPI  # noqa: PLC0415 - see Mount

        return PyPI(world, settings.index, settings.others_per_minute)
