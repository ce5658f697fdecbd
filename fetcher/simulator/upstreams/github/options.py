"""Details of GitHub's responses that differ between versions of GitHub or are undocumented."""

from dataclasses import dataclass, field

from fetcher.simulator.upstreams.github.node_ids import NodeIds

HOST = "github.com"
"""The host whose repositories GitHub serves."""


@dataclass(slots=True, kw_only=True)
class GitHubOptions:
    """The details that the control API may change while the simulator runs."""

    opaque_cursors: bool = False
    """The cursors of a commit history do not show the commit and the index that they hold."""
    since_stops: bool = False
    """``since`` ends a history at its first older commit, as ``git log --since`` does. GitHub documents neither."""
    node_ids: NodeIds = NodeIds.NEW
    """The form of the global ids in responses; requests may use either."""
    deprecation: str | None = None
    sunset: str | None = None
    """The headers of the same names on every response, as GitHub announces the end of an API version."""
    retired_versions: set[str] = field(default_factory=set)
    """Versions whose REST requests (``x-github-api-version``) receive a 410."""
