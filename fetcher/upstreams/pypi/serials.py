"""Streaming reader of the root's listing: every project's name and serial. Source: PEP 691.

The listing has some 60 MB and is never stored. The parser is fed pieces and keeps only wanted names. ``ijson`` sends
events without their paths, because a hostile listing could make paths grow with the square of its depth.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Container, Generator, Iterator
from datetime import datetime
from typing import Any

import ijson  # type: ignore[import-untyped]
from packaging.utils import canonicalize_name

from fetcher.domain.outcome import Fetched, Gone, Malformed
from fetcher.domain.text import one_line
from fetcher.http.messages import Answer, Response
from fetcher.http.responses import validators_of
from fetcher.upstreams.pypi.answers import IndexOutcome, NotOffered, good_response, not_json
from fetcher.upstreams.pypi.simple_api import not_offered

_API = "Simple API's root"
_DEEPEST = 16
_LONGEST_TOKEN = 64 * 1024
"""Longest unfinished value in bytes. The parser rescans it with each piece, so a long one in tiny pieces would never
end.
"""
_LARGEST_SERIAL = 2**63 - 1
_PACKED_AT_ONCE = 1000


class _TooDeep(ValueError):
    """A listing nested more deeply than any valid one."""


class _Listing:
    """The result of the walk over the events so far."""

    __slots__ = ("listed", "moved", "unnumbered")

    def __init__(self) -> None:
        self.listed = False
        """True after a list of projects, even an empty one."""
        self.moved = False
        """True after an event since the last reset: the parser is not stuck in an endless token."""
        self.unnumbered = 0
        """Number of projects without a usable name and serial."""


class Serials:
    """Names with their serials in order of arrival, packed: a million take some 10 MB instead of 200."""

    __slots__ = ("_count", "_packed", "_packer", "_waiting")

    def __init__(self) -> None:
        self._packer = zlib.compressobj(1)
        self._packed: list[bytes] = []
        self._waiting: list[str] = []
        self._count = 0

    def add(self, name: str, serial: int) -> None:
        """Add a serial. ``name`` contains neither a space nor a line break."""
        self._waiting.append(f"{name} {serial}\n")
        self._count += 1
        if len(self._waiting) >= _PACKED_AT_ONCE:
            self._pack()

    def __len__(self) -> int:
        return self._count

    def __iter__(self) -> Iterator[tuple[str, int]]:
        self._pack()
        unpacker, rest = zlib.decompressobj(), b""
        for packed in [*self._packed, self._packer.copy().flush()]:
            *lines, rest = (rest + unpacker.decompress(packed)).split(b"\n")
            for line in lines:
                name, serial = line.decode().split(" ")
                yield name, int(serial)

    def _pack(self) -> None:
        self._packed.append(self._packer.compress("".join(self._waiting).encode()))
        self._waiting.clear()


class SerialFeed:
    """A feed for the root's body that keeps the serials of ``wanted`` projects (of all, if ``None``).

    ``feed`` never raises: ``close`` returns the failure. A truncated or broken listing has no result. Memory is bounded
    by the wanted names, one piece and a token of 64 KiB.
    """

    def __init__(self, wanted: Container[str] | None = None) -> None:
        self._wanted = wanted
        self._serials = Serials()
        self._listing = _Listing()
        self._fault: str | None = None
        self._waiting = 0
        # use_float: without it ijson 3.6's C parser crashes with SIGSEGV on an integer of over 4,300 digits.
        self._parser = ijson.basic_parse_coro(_walk(self._listing, self._keep), use_float=True)

    def feed(self, piece: bytes) -> None:
        if self._fault is not None or not piece:
            return
        self._listing.moved = False
        self._attempt(lambda: self._parser.send(piece))
        self._waiting = 0 if self._listing.moved else self._waiting + len(piece)
        if self._waiting > _LONGEST_TOKEN:
            self._fault = "expected a listing, got a single value of over 64 KiB"

    def close(self) -> Serials | Malformed | NotOffered:
        """Return the serials by canonical name after the body's end, or ``NotOffered`` if the listing has none."""
        if self._fault is None:
            self._attempt(self._parser.close)
        if self._fault is not None:
            return Malformed(one_line(f"{_API}: {self._fault}"))
        if not self._listing.listed:
            return Malformed(f"{_API}: expected a list of projects, got none")
        if self._listing.unnumbered and not self._serials:
            return NotOffered(f"{_API}: the index lists no serials for these projects")
        return self._serials

    def _attempt(self, step: Callable[[], object]) -> None:
        try:
            step()
        except (ijson.JSONError, ValueError, ArithmeticError, StopIteration) as error:
            said = " ".join(str(error.args[0] if error.args else error).split())
            self._fault = f"expected a whole listing as JSON, got one that breaks off ({said})"

    def _keep(self, name: object, serial: object) -> None:
        """Keep a name with an integer serial; ``use_float`` leaves integers unchanged."""
        if not isinstance(name, str) or not isinstance(serial, int) or not 0 < serial <= _LARGEST_SERIAL:
            self._listing.unnumbered += 1
            return
        canonical = canonicalize_name(name)
        if not canonical or not canonical.isprintable() or " " in canonical:
            self._listing.unnumbered += 1
        elif self._wanted is None or canonical in self._wanted:
            self._serials.add(canonical, serial)


def read_root(answer: Answer, feed: SerialFeed, *, url: str, now: datetime) -> IndexOutcome[Serials]:
    """Return the outcome of requesting the root, after the body of a 200 went through ``feed``."""
    if isinstance(answer, Response) and not_offered(answer):
        return NotOffered(f"{_API}: the index has no JSON form")
    response = good_response(answer, url=url, now=now)
    if isinstance(response, Gone):
        return NotOffered(f"{_API}: the index has none")
    if not isinstance(response, Response):
        return response
    serials = not_json(response, _API) or feed.close()
    if isinstance(serials, Malformed | NotOffered):
        return serials
    return Fetched(serials, validators_of(response))


def _walk(listing: _Listing, keep: Callable[[object, object], None]) -> Generator[None, tuple[str, Any], None]:
    """Follow the parser's events and ``keep`` only objects of the top-level list ``projects``."""
    walk = _steps(listing, keep)
    next(walk)
    return walk


def _steps(listing: _Listing, keep: Callable[[object, object], None]) -> Generator[None, tuple[str, Any], None]:
    depth = 0
    top = key = ""
    name = serial = None
    within = False
    while True:
        event, value = yield
        listing.moved = True
        if event == "map_key":
            key = value
            if depth == 1:
                top = value
        elif event in {"start_map", "start_array"}:
            depth += 1
            if depth > _DEEPEST:
                raise _TooDeep(f"more than {_DEEPEST} levels")
            if depth == 2:
                within = top == "projects" and event == "start_array"
                listing.listed |= within
            elif depth == 3:
                name = serial = None
        elif event in {"end_map", "end_array"}:
            if depth == 3 and within and event == "end_map":
                keep(name, serial)
            depth -= 1
        elif depth == 3 and key == "name":
            name = value
        elif depth == 3 and key == "_last-serial":
            serial = value
