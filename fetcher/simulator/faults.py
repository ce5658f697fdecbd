"""Injected faults: rules, and their effects on a response."""

from collections.abc import AsyncIterator, Callable, Collection, Mapping
from dataclasses import dataclass, field, fields
from datetime import timedelta
from enum import StrEnum
from random import Random
from typing import Any

from fetcher.simulator.exchange import Answer, Call

OVERSIZE = 200 * 1024 * 1024
CHUNK = b" " * 65_536


EXPECTED: Mapping[str, type | tuple[type, ...]] = {
    **dict.fromkeys(("skip", "times", "status", "retry_after", "size", "more_than"), int),
    **dict.fromkeys(("probability", "seconds"), (int, float)),
    **dict.fromkeys(("route", "operation", "package", "message", "location"), str),
}


class Kind(StrEnum):
    """The kinds of faults of a response."""

    STATUS = "status"
    """Any status, with ``message`` and ``retry_after``; the upstream has usual texts."""
    THROTTLE = "throttle"
    """A secondary limit: 403 (or ``status``: 429, for GraphQL 200), with ``retry_after`` or without.

    Requests that follow count against the identity.
    """
    HTML = "html"
    """A web page with status 200."""
    WRONG_SHAPE = "wrong_shape"
    """JSON of another shape."""
    OVERSIZE = "oversize"
    """A JSON body of ``size`` bytes."""
    REDIRECT_AWAY = "redirect_away"
    """302 to ``location`` on another host."""
    REDIRECT_LOOP = "redirect_loop"
    """301 to the same address."""
    RATE_LIMITED = "rate_limited"
    """GraphQL's primary limit: 200 with an error."""
    RESOURCE_LIMITS = "resource_limits"
    """GraphQL's RESOURCE_LIMITS_EXCEEDED."""
    PARTIAL_ERROR = "partial_error"
    """One package of a GraphQL response is null, with an error."""
    OMIT = "omit"
    """One package of a GraphQL response is missing, without an error."""
    HANG = "hang"
    """No response for ``seconds``, then the connection closes."""
    RESET = "reset"
    """The connection is reset."""
    TRUNCATE = "truncate"
    """The body ends in the middle and the connection closes."""
    LATENCY = "latency"
    """The response is sent ``seconds`` later."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """The requests that a fault applies to, and its details. None matches everything; ``package`` ignores case."""

    kind: Kind
    upstream: str | None = None
    route: str | None = None
    operation: str | None = None
    """The name of a GraphQL operation."""
    package: str | None = None
    more_than: int | None = None
    """The rule applies only to responses about more packages than these."""
    skip: int = 0
    """Number of matching requests that pass first."""
    times: int | None = None
    """Number of times that the rule applies; None is without end."""
    probability: float = 1.0
    status: int = 403
    message: str | None = None
    retry_after: int | None = None
    seconds: float = 60.0
    size: int = OVERSIZE
    location: str = "http://elsewhere.invalid/stolen"

    @classmethod
    def read(cls, given: Mapping[str, Any], upstreams: Collection[str]) -> "Rule":
        """Return a rule from JSON; ValueError names the wrong field. ``upstreams`` are the known names."""
        unknown = set(given) - {one.name for one in fields(cls)}
        if unknown:
            raise ValueError(f"a fault has no field {', '.join(sorted(unknown))}")
        if "kind" not in given:
            raise ValueError(f"a fault needs a kind, one of {', '.join(Kind)}")
        if given["kind"] not in list(Kind):
            raise ValueError(f"a fault's kind is one of {', '.join(Kind)} and not {given['kind']!r}")
        for name, value in given.items():
            if name in EXPECTED and value is not None and not isinstance(value, EXPECTED[name]):
                raise ValueError(f"a fault's {name} cannot be {value!r}")
        upstream = given.get("upstream")
        if upstream is not None and upstream not in upstreams:
            raise ValueError(f"a fault's upstream is one of {', '.join(upstreams)} and not {upstream!r}")
        return cls(**{**given, "kind": Kind(given["kind"])})

    def matches(self, call: Call, answer: Answer) -> bool:
        if self.upstream not in (None, call.upstream) or self.route not in (None, call.route):
            return False
        if self.operation not in (None, answer.operation):
            return False
        if self.more_than is not None and len(answer.packages) <= self.more_than:
            return False
        wanted = self.package
        return wanted is None or any(package.lower() == wanted.lower() for package in answer.packages)


@dataclass(slots=True)
class Delivery:
    """The way in which a response is sent on the wire."""

    delay: timedelta = timedelta(0)
    hang: timedelta | None = None
    reset: bool = False
    truncate: bool = False


@dataclass(slots=True)
class _Armed:
    rule: Rule
    seen: int = 0
    struck: int = 0


@dataclass(slots=True)
class Struck:
    """A response after the faults, the names of the applied faults, and the throttling that it reports."""

    answer: Answer
    delivery: Delivery
    names: list[str] = field(default_factory=list)
    throttle: Rule | None = None


ErrorForm = Callable[[Rule, Call], Answer]


class Faults:
    """The rules in force, with their counts; random numbers come from one seeded generator."""

    def __init__(self, rules: tuple[Rule, ...] = (), seed: int = 0) -> None:
        self._rng = Random(seed)  # noqa: S311 - faults are to be repeatable
        self._armed = [_Armed(rule) for rule in rules]

    def add(self, rule: Rule) -> None:
        self._armed.append(_Armed(rule))

    def clear(self) -> None:
        self._armed.clear()

    def as_json(self) -> list[dict[str, Any]]:
        return [
            {one.name: getattr(armed.rule, one.name) for one in fields(Rule)}
            | {"seen": armed.seen, "struck": armed.struck}
            for armed in self._armed
        ]

    def strike(self, call: Call, answer: Answer, error: ErrorForm) -> Struck:
        """Apply the first due rule, in the order in which rules were added; latency is added to it.

        ``error`` returns the errors in the form of the upstream.
        """
        struck = Struck(answer, Delivery())
        decided = False
        for armed in self._armed:
            slow = armed.rule.kind is Kind.LATENCY
            if (slow or not decided) and self._due(armed, call, answer):
                decided = decided or not slow
                armed.struck += 1
                struck.names.append(armed.rule.kind.value)
                _apply(armed.rule, call, struck, error)
        return struck

    def _due(self, armed: _Armed, call: Call, answer: Answer) -> bool:
        rule = armed.rule
        if (rule.times is not None and armed.struck >= rule.times) or not rule.matches(call, answer):
            return False
        armed.seen += 1
        return armed.seen > rule.skip and (rule.probability >= 1 or self._rng.random() < rule.probability)


def _apply(rule: Rule, call: Call, struck: Struck, error: ErrorForm) -> None:
    match rule.kind:
        case Kind.LATENCY:
            struck.delivery.delay += timedelta(seconds=rule.seconds)
        case Kind.HANG:
            struck.delivery.hang = timedelta(seconds=rule.seconds)
        case Kind.RESET:
            struck.delivery.reset = True
        case Kind.TRUNCATE:
            struck.delivery.truncate = True
        case Kind.PARTIAL_ERROR:
            _lose(rule, struck.answer, told=True)
        case Kind.OMIT:
            _lose(rule, struck.answer, told=False)
        case _:
            replaced = _replacement(rule, call, error)
            replaced.packages, replaced.points = struck.answer.packages, struck.answer.points
            replaced.operation = struck.answer.operation
            struck.answer = replaced
            if rule.kind is Kind.THROTTLE:
                struck.throttle = rule


def _replacement(rule: Rule, call: Call, error: ErrorForm) -> Answer:
    match rule.kind:
        case Kind.HTML:
            return Answer(body=b"<!DOCTYPE html><title>Unicorn!</title>", content_type="text/html; charset=utf-8")
        case Kind.WRONG_SHAPE:
            return Answer(payload={"unexpected": [1, "two", None]} if call.method == "POST" else ["unexpected"])
        case Kind.OVERSIZE:
            return Answer(stream=lambda: _oversized(rule.size))
        case Kind.REDIRECT_AWAY:
            return Answer(status=302, headers={"location": rule.location})
        case Kind.REDIRECT_LOOP:
            return Answer(status=301, headers={"location": call.root + call.path})
        case _:
            answer = error(rule, call)
    if rule.retry_after is not None and rule.kind in (Kind.STATUS, Kind.THROTTLE):
        answer.headers["retry-after"] = str(rule.retry_after)
    return answer


async def _oversized(size: int) -> AsyncIterator[bytes]:
    yield b'{"padding":"'
    for _ in range(size // len(CHUNK)):
        yield CHUNK
    yield b'"}'


def _lose(rule: Rule, answer: Answer, *, told: bool) -> None:
    """Remove one package from a GraphQL response: null with an error if ``told``, otherwise absent without one."""
    data = answer.payload.get("data") if isinstance(answer.payload, dict) else None
    paths = {name.lower(): path for name, path in answer.packages.items() if path}
    path = paths.get(rule.package.lower()) if rule.package else next(reversed(paths.values()), None)
    if data is None or not path:
        return
    holder = data
    for key in path[:-1]:
        holder = holder[key]
    if told:
        holder[path[-1]] = None
        text = rule.message or "Something went wrong while executing your query."
        answer.payload.setdefault("errors", []).append(
            {"type": "SERVICE_UNAVAILABLE", "path": list(path), "message": text}
        )
    else:
        del holder[path[-1]]
