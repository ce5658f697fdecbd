"""The settings of the simulated package index."""

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True, kw_only=True)
class Index:
    """The features of an index; a mirror may lack any of them."""

    etags: bool = True
    serials: bool = True
    json_api: bool = True
    simple_json: bool = True
    feed: bool = True


@dataclass(frozen=True, kw_only=True)
class PyPISettings:
    """The index's part of the simulator's settings."""

    index: Index = field(default_factory=Index)
    others_per_minute: float = 0.0
    """Releases of projects outside the catalogue, which pass through the feed."""
