"""The registry's entry of Bitbucket."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Any

import typer

from fetcher.simulator.mount import Mount, Upstream
from fetcher.simulator.upstreams.bitbucket.settings import Bitbucket

if TYPE_CHECKING:
    from fetcher.simulator.world import World


class BitbucketMount(Mount):
    """Bitbucket under ``/bitbucket``."""

    name = "bitbucket"

    def read_options(
        self,
        bitbucket_limit: Annotated[
            int, typer.Option(min=0, help="Requests an hour that Bitbucket serves without an account; 0 is any number.")
        ] = 60,
    ) -> Mapping[str, Any]:
        return {"bitbucket": Bitbucket(anonymous_per_hour=bitbucket_limit)}

    def open(self, world: World, settings: Any) -> Upstream:
        from fetcher.simulator.upstreams.bitbucket.upstream import BitbucketCloud  # noqa: PLC0415 - see Mount

        return BitbucketCloud(world, settings.bitbucket, scale=settings.scale, enforced=settings.enforced)
