"""The registry's entry of Forgejo."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Any

import typer

from fetcher.simulator.mount import Mount, Upstream
from fetcher.simulator.upstreams.forgejo.settings import Forgejo

if TYPE_CHECKING:
    from fetcher.simulator.world import World


class ForgejoMount(Mount):
    """Forgejo under ``/forgejo``, with the repositories of ``host``."""

    def __init__(self, host: str = "codeberg.org", name: str = "forgejo", own: Forgejo | None = None) -> None:
        self.name = name
        self._host = host
        self._own = own
        """Settings of this host, in place of those that all mounts of Forgejo share."""

    def read_options(
        self,
        forgejo_limit: Annotated[
            int, typer.Option(min=0, help="Requests in half an hour that Forgejo's proxy admits; 0 is any number.")
        ] = 4_000,
        forgejo_sign_in: Annotated[
            bool, typer.Option("--forgejo-sign-in", help="Serve nothing of Forgejo without an account.")
        ] = False,
    ) -> Mapping[str, Any]:
        return {"forgejo": Forgejo(requests=forgejo_limit, sign_in=forgejo_sign_in)}

    def open(self, world: World, settings: Any) -> Upstream:
        from fetcher.simulator.upstreams.forgejo.upstream import ForgejoInstance  # noqa: PLC0415 - see Mount

        own = self._own or settings.forgejo
        return ForgejoInstance(world, self._host, own, scale=settings.scale, enforced=settings.enforced)
