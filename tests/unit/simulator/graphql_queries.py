"""GraphQL queries put to the simulator's handler, without a socket."""

import json
from typing import Any

from fetcher.simulator.exchange import Answer, Call
from fetcher.simulator.upstreams.github.graphql import GitHubGraphQL
from fetcher.simulator.upstreams.github.limits import Ledger, Limits
from fetcher.simulator.upstreams.github.options import GitHubOptions
from fetcher.simulator.world import World
from tests.harness.clock import NOW


def answer_to(
    world: World, text: str, *, ledger: Ledger | None = None, options: GitHubOptions | None = None, **variables: Any
) -> Answer:
    """Run one query for the identity ``ann`` and return the handler's answer."""
    call = Call(
        upstream="github",
        route="graphql",
        method="POST",
        root="",
        path="/graphql",
        parameters={},
        query={},
        headers={},
        body=json.dumps({"query": text, "variables": variables}).encode(),
        address="",
        now=NOW,
        identity="ann",
    )
    return GitHubGraphQL(world, ledger or Ledger(Limits()), options).handle(call)


def run_query(world: World, text: str, **given: Any) -> dict[str, Any]:
    """Run one query and return the body of its answer."""
    return dict(answer_to(world, text, **given).payload)
