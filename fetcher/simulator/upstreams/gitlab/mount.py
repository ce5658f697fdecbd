"""The registry's entry of GitLab."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Any

import typer

from fetcher.simulator.mount import Mount, Upstream
from fetcher.simulator.upstreams.gitlab.settings import GitLab

if TYPE_CHECKING:
    from fetcher.simulator.world import World


class GitLabMount(Mount):
    """GitLab under ``/gitlab``, with the repositories of ``host``."""

    def __init__(self, host: str = "gitlab.com", name: str = "gitlab") -> None:
        self.name = name
        self._host = host

    def read_options(
        self,
        gitlab_limit: Annotated[
            int, typer.Option(min=0, help="Requests a minute that GitLab serves without a token; 0 is any number.")
        ] = 500,
        gitlab_older: Annotated[
            bool, typer.Option("--gitlab-older", help="Serve the schema of an older GitLab, without heads in batches.")
        ] = False,
        gitlab_sign_in: Annotated[
            bool, typer.Option("--gitlab-sign-in", help="Serve nothing of GitLab without a token.")
        ] = False,
    ) -> Mapping[str, Any]:
        return {"gitlab": GitLab(anonymous_per_minute=gitlab_limit, older=gitlab_older, sign_in=gitlab_sign_in)}

    def open(self, world: World, settings: Any) -> Upstream:
        from fetcher.simulator.upstreams.gitlab.upstream import GitLabInstance  # noqa: PLC0415 - see Mount

        return GitLabInstance(world, self._host, settings.gitlab, scale=settings.scale, enforced=settings.enforced)
