"""The ``fields`` parameter: the parts of a response that a client wants, by their dotted paths."""

from collections.abc import Iterable, Mapping
from typing import Any


def selected(payload: Any, fields: str) -> Any:
    """Return ``payload`` with the named parts only; without names, all of it. A path passes through lists."""
    paths = [tuple(path.split(".")) for path in fields.split(",") if path]
    return _part(payload, paths) if paths else payload


def _part(value: Any, paths: Iterable[tuple[str, ...]]) -> Any:
    wanted = list(paths)
    if () in wanted or not isinstance(value, Mapping | list):
        return value
    if isinstance(value, list):
        return [_part(one, wanted) for one in value]
    names = {path[0] for path in wanted}
    return {
        name: _part(value[name], (path[1:] for path in wanted if path[0] == name)) for name in value if name in names
    }
