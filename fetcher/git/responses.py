"""Reading of responses of ``git-upload-pack``: packet lines, sections, side band (gitprotocol-v2, gitprotocol-pack)."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from io import BytesIO

from dulwich.errors import GitProtocolError, HangupException
from dulwich.protocol import SIDE_BAND_CHANNEL_DATA, SIDE_BAND_CHANNEL_FATAL, Protocol

from fetcher.domain.text import one_line
from fetcher.git.packs import SHA1
from fetcher.git.text import reported

_OID = re.compile(r"[0-9a-f]{40}(?:[0-9a-f]{24})?")
_NOTHING_SELECTED = re.compile(r"(?i)no commits selected for shallow request")
"""The error of JGit, and of git's later versions, if every commit is older than requested."""
_BRANCHES = "refs/heads/"
_MOST_REFERENCES = 100_000


class BadResponse(Exception):
    """A response that does not follow git's protocol, or reports an error."""


@dataclass(frozen=True, slots=True)
class Advertisement:
    """The protocol version and the capabilities of a repository's server."""

    version: int
    capabilities: Mapping[str, str] = field(default_factory=dict)

    @property
    def object_format(self) -> str:
        return self.capabilities.get("object-format", SHA1)

    @property
    def filters(self) -> bool:
        """True if the server can leave out trees and files."""
        return "filter" in self.capabilities.get("fetch", "").split()

    @property
    def shallow(self) -> bool:
        """True if the server can leave out old commits."""
        return "shallow" in self.capabilities.get("fetch", "").split()


@dataclass(frozen=True, slots=True)
class References:
    """The default branch, the oid at its tip, and the number of references in the response."""

    head_oid: str | None
    branch: str | None
    count: int


@dataclass(frozen=True, slots=True)
class Fetched:
    """The response to a fetch. ``pack`` is ``None`` if no commit was selected."""

    pack: bytes | None
    shallow: frozenset[str] = frozenset()
    """Commits whose parents were left out by age or depth."""


def read_advertisement(body: bytes) -> Advertisement:
    """Read the response to ``GET info/refs``; raise ``BadResponse``.

    Old servers send the references themselves, which is version 0 or 1.
    """
    lines = _Lines(body)
    first = lines.text()
    if first is not None and first.startswith("# service="):
        lines.skip_section()
        first = lines.text()
    if first is None or not first.startswith("version "):
        return Advertisement(0)
    version = first.removeprefix("version ")
    if version != "2":
        return Advertisement(1)
    named = (line.partition("=") for line in lines.section())
    return Advertisement(2, {name: value for name, _, value in named})


def read_references(body: bytes) -> References:
    """Read the response to ``ls-refs``; raise ``BadResponse``."""
    oid: str | None = None
    branch: str | None = None
    count = 0
    for line in _Lines(body).section():
        value, _, rest = line.partition(" ")
        name, *attributes = rest.split(" ")
        if not name or not (_OID.fullmatch(value) or value == "unborn"):
            raise BadResponse("a line that is no reference")
        count += value != "unborn"
        if count > _MOST_REFERENCES:
            raise BadResponse(f"more than {_MOST_REFERENCES} references")
        if name == "HEAD":
            oid = None if value == "unborn" else value
            target = next((one for one in attributes if one.startswith("symref-target:")), "")
            branch = target.removeprefix("symref-target:").removeprefix(_BRANCHES) or None
    return References(oid, branch, count)


def read_fetched(body: bytes) -> Fetched:
    """Read the response to ``fetch`` up to the pack; raise ``BadResponse``."""
    lines = _Lines(body)
    shallow: set[str] = set()
    while (name := _section_name(lines)) is not None:
        match name:
            case "shallow-info":
                if lines.ended:  # git ends here if no commit is young enough
                    return Fetched(None)
                named = (line.split(" ") for line in lines.section())
                shallow.update(words[1] for words in named if words[0] == "shallow" and len(words) == 2)
            case "packfile":
                return Fetched(lines.side_band(), frozenset(shallow))
            case "acknowledgments" | "wanted-refs":
                lines.skip_section()
            case _:
                raise BadResponse(f"an unknown section {one_line(name, 40)!r}")
    return Fetched(None, frozenset(shallow))


def _section_name(lines: _Lines) -> str | None:
    """Return the name of the next section; ``None`` if the server reports that no commit is young enough."""
    try:
        return lines.text()
    except BadResponse as error:
        if _NOTHING_SELECTED.search(str(error)):
            return None
        raise


class _Lines:
    """The packet lines of one body."""

    def __init__(self, body: bytes) -> None:
        self._buffer = BytesIO(body)
        self._length = len(body)
        self._protocol = Protocol(self._buffer.read, _write_nothing)

    @property
    def ended(self) -> bool:
        return self._buffer.tell() == self._length

    def text(self) -> str | None:
        """Return the next line without its line break; ``None`` for a flush or delimiter packet."""
        packet = self._packet()
        if packet is None:
            return None
        if packet.startswith(b"ERR "):
            raise BadResponse(f"git reports: {reported(packet[4:])}")
        return packet.decode("utf-8", "replace").rstrip("\n")

    def section(self) -> Iterator[str]:
        """Yield the lines up to the next flush or delimiter packet."""
        while (line := self.text()) is not None:
            yield line

    def skip_section(self) -> None:
        """Skip the lines up to the next flush or delimiter packet."""
        for _ in self.section():
            pass

    def side_band(self) -> bytes:
        """Return the data of the side band up to the flush packet."""
        data = bytearray()
        while (packet := self._packet()) is not None:
            channel, content = packet[:1], packet[1:]
            if channel == bytes([SIDE_BAND_CHANNEL_DATA]):
                data += content
            elif channel == bytes([SIDE_BAND_CHANNEL_FATAL]):
                raise BadResponse(f"git reports: {reported(content)}")
        return bytes(data)

    def _packet(self) -> bytes | None:
        if self.ended:
            raise BadResponse("the response breaks off")
        try:
            return self._protocol.read_pkt_line()
        except (GitProtocolError, HangupException) as error:
            raise BadResponse(f"broken packet lines ({type(error).__name__})") from None


def _write_nothing(_: bytes) -> None:
    """Ignore output: only a body is read."""
