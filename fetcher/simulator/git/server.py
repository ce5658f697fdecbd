"""Git over smart HTTP for the repositories of one host, below the prefix of its mount."""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from fetcher.simulator.exchange import Answer, Call, Handler, about
from fetcher.simulator.faults import Rule
from fetcher.simulator.git.objects import commit_object, oid_of
from fetcher.simulator.git.packets import FLUSH, BadRequestError, packet, packets
from fetcher.simulator.git.upload import FatalError, capabilities, fetch, ls_refs, refs
from fetcher.simulator.git_log import by_oid
from fetcher.simulator.mount import PHRASES, Gate, OpenGate, Route, Upstream
from fetcher.simulator.repository import Repository
from fetcher.simulator.world import World

SERVICE = "git-upload-pack"
VERSION_2 = "version=2"
QUOTA = "git"
"""The quota that git's requests count for in the summary."""
PLAIN, HTML = "text/plain; charset=utf-8", "text/html; charset=utf-8"
NEVER_CACHED = {
    "cache-control": "no-cache, max-age=0, must-revalidate",
    "expires": "Fri, 01 Jan 1980 00:00:00 GMT",
    "pragma": "no-cache",
}
REAL_TEXT = "this world's commits have invented ids, which git rejects; start the simulator without --no-git"


@dataclass(slots=True, kw_only=True)
class GitOptions:
    """The details in which the git servers of forges differ. The action ``git`` changes them."""

    filters: bool = True
    """The server advertises ``filter``."""
    refs_first: bool = False
    """A request is refused until its sender has requested ``info/refs``."""
    dumb: bool = False
    """The server has only the dumb protocol: no request of a service succeeds."""
    moved: int = 301
    """The status under a former path; 200 serves the repository there."""
    missing: int = 401
    """The status for a path without a repository."""


class GitGate(OpenGate):
    """No limit; the sender's address is the identity."""

    def admit(self, call: Call) -> Answer | None:
        call.identity = call.identity or f"git {call.address}"
        return None

    def resource(self, call: Call) -> str:
        return QUOTA


class GitServer(Upstream):
    """The clone addresses ``PREFIX/PATH`` and ``PREFIX/PATH.git`` of one host."""

    etags = False

    def __init__(self, world: World, host: str, options: GitOptions | None = None, gate: Gate | None = None) -> None:
        self.host = host
        self.options = options or GitOptions()
        self.gate = gate or GitGate()
        self._world = world
        self._advertised: set[str] = set()

    def routes(self) -> Iterable[Route]:
        return [
            Route("git_refs", "/{path:path}/info/refs", self._found(self._info_refs)),
            Route("git", f"/{{path:path}}/{SERVICE}", self._found(self._service), "POST"),
        ]

    def error(self, status: int, text: str) -> Answer:
        answer = Answer(status=status, body=f"{text}\n".encode(), content_type=PLAIN)
        if status == 401:
            answer.headers["www-authenticate"] = 'Basic realm="Git"'
        return answer

    def fault(self, rule: Rule, call: Call) -> Answer:
        return self.error(rule.status, rule.message or PHRASES.get(rule.status, "Error"))

    def _found(self, handle: Handler) -> Handler:
        """Look the repository up first: missing, moved and blocked ones have the same response on both routes."""

        def handler(call: Call) -> Answer:
            path = str(call.parameters["path"]).removesuffix(".git")
            found = self._world.repository(f"{self.host}/{path}")
            answer = self._refused(call, path, found) or handle(call)
            answer.packages = about(path if found is None else found.full_name)
            return answer

        return handler

    def _refused(self, call: Call, path: str, found: Repository | None) -> Answer | None:
        if found is None or found.private:
            return self.error(self.options.missing, "Repository not found.")
        if found.block is not None or found.disabled:
            return self.error(403, "Access to this repository has been disabled.")
        if found.full_name.lower() != path.lower() and self.options.moved != 200:
            _, end, rest = call.path.rpartition("/info/refs")
            location = f"{call.root}/{found.full_name}.git{end or f'/{SERVICE}'}{rest if end else ''}"
            answer = self.error(self.options.moved, "Moved")
            answer.headers["location"] = location + (f"?service={SERVICE}" if end else "")
            return answer
        return None

    def _repository(self, call: Call) -> Repository:
        found = self._world.repository(f"{self.host}/{str(call.parameters['path']).removesuffix('.git')}")
        if found is None:
            raise LookupError(call.parameters["path"])
        return found

    def _info_refs(self, call: Call) -> Answer:
        repository = self._repository(call)
        if call.query.get("service") != SERVICE:
            return self.error(403, "Please upgrade your git client.")
        if self.options.dumb:
            lines = "".join(f"{oid}\t{name}\n" for name, oid in refs(repository).items() if name != "HEAD")
            return Answer(body=lines.encode(), content_type=PLAIN, headers=dict(NEVER_CACHED))
        self._advertised.add(call.address)
        if VERSION_2 in call.headers.get("git-protocol", "").split(":"):
            body = capabilities(repository.object_format, filters=self.options.filters)
        else:
            body = packet(f"# service={SERVICE}\n") + FLUSH + _advertisement(repository)
        return self._of(f"application/x-{SERVICE}-advertisement", body)

    def _service(self, call: Call) -> Answer:
        repository = self._repository(call)
        if self.options.dumb or call.headers.get("content-type") != f"application/x-{SERVICE}-request":
            return self.error(403 if self.options.dumb else 415, "Unsupported")
        if VERSION_2 not in call.headers.get("git-protocol", "").split(":"):
            return self.error(400, "Only version 2 of the protocol is served.")
        if self.options.refs_first and call.address not in self._advertised:
            return self.error(403, "Request info/refs first.")
        if not has_objects(repository):
            return self.error(500, REAL_TEXT)
        try:
            command, body = self._run(repository, call)
        except FatalError as error:
            command, body = "fetch", error.sent
        except (BadRequestError, UnicodeDecodeError, ValueError, zlib.error):
            command, body = "", b""  # git's own server ends as well: status 200 without a body
        answer = self._of(f"application/x-{SERVICE}-result", body)
        answer.operation = command
        return answer

    def _run(self, repository: Repository, call: Call) -> tuple[str, bytes]:
        """Return the command's name and the response to it."""
        body = zlib.decompress(call.body, 31) if call.headers.get("content-encoding") == "gzip" else call.body
        lines = [None if line is None else line.decode() for line in packets(body)]
        end = lines.index(None) if None in lines else len(lines)
        given: Mapping[str, str] = dict(line.split("=", 1) for line in lines[:end] if line and "=" in line)
        arguments = [line for line in lines[end:] if line is not None]
        if given.get("object-format", "sha1") != repository.object_format:
            raise BadRequestError("mismatched object format")
        match command := given.get("command", ""):
            case "ls-refs":
                return command, ls_refs(repository, arguments)
            case "fetch":
                return command, fetch(repository, arguments, filters=self.options.filters)
            case _:
                raise BadRequestError("invalid command")

    @staticmethod
    def _of(content_type: str, body: bytes) -> Answer:
        return Answer(body=body, content_type=content_type, headers=dict(NEVER_CACHED))


def has_objects(repository: Repository) -> bool:
    """Return False if the head's id is not the hash of its commit: then no client would accept it."""
    tip = repository.history.tip
    if tip is None:
        return True
    commit = by_oid(repository.history)[tip.oid]
    content = commit_object(commit, repository.object_format)
    return oid_of(b"commit", content, repository.object_format) == tip.oid


def _advertisement(repository: Repository) -> bytes:
    """Return the references as versions 0 and 1 advertise them."""
    features = f"\0multi_ack_detailed no-done symref=HEAD:refs/heads/{repository.default_branch}"
    features += f" object-format={repository.object_format}"
    listed = refs(repository) or {"capabilities^{}": "0" * (64 if repository.object_format == "sha256" else 40)}
    lines = [f"{oid} {name}" for name, oid in listed.items()]
    lines[0] += features
    return b"".join(packet(f"{line}\n") for line in lines) + FLUSH
