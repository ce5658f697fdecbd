"""GitHub as an upstream: github.com, or an Enterprise server."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from functools import cached_property
from typing import Self

from fetcher.catalogue.addresses import Location
from fetcher.domain.formatting import ago, span
from fetcher.domain.model import REPOSITORY_SOURCES, RepoRef, Target
from fetcher.domain.outcome import Unauthorized
from fetcher.domain.scheduling import Cadence
from fetcher.http.messages import Answer, Response, ResponseMeta
from fetcher.http.retirement import read_retirement
from fetcher.ports import Checkpoint, Transport
from fetcher.settings import Settings
from fetcher.upstreams.base import Checked, Cost, Finding, Lane, Tools, Upstream
from fetcher.upstreams.github import addresses
from fetcher.upstreams.github.auth import GitHubCredential, credential_from
from fetcher.upstreams.github.costs import costs
from fetcher.upstreams.github.lanes import lanes_for
from fetcher.upstreams.github.limits import GITHUB, POLICY, Route
from fetcher.upstreams.github.merges import MERGES, counts_merges
from fetcher.upstreams.github.readers.classify import classify, message_of, read_meta, read_quota
from fetcher.upstreams.github.refresh import GitHubRefresh
from fetcher.upstreams.github.requests import API_VERSION, api_at, rate_limit

_UPGRADE = "Install a newer Fetcher"
_ROOTS = "Unset it for GitHub itself; for an Enterprise server, set it to https://HOST/api/v3"
_LIMITS_OFF = "rate limiting is not enabled"
"""Part of the message with which an Enterprise server without limits answers 404."""


class GitHub(Upstream):
    """GitHub, by the settings' root and credential."""

    name = GITHUB
    title = "GitHub"
    sources = REPOSITORY_SOURCES
    quota = POLICY
    routes = tuple(Route)

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self.api = api_at(settings.github_api_url)
        self.hosts = frozenset({self.api.host})
        self.over_git = settings.github_commits == "git"
        self.roots = (settings.github_api_url, self.api.graphql, *((self.api.git,) if self.over_git else ()))

    @classmethod
    def configured(cls, settings: Settings) -> tuple[Self, ...]:
        """Return the one GitHub of the settings."""
        return (cls(settings),)

    @cached_property
    def credential(self) -> GitHubCredential:
        """The App, the token or none."""
        return credential_from(self._settings)

    @property
    def anonymous(self) -> bool:
        """True without a credential, by the settings alone: the credential is not built."""
        return not self._settings.github_app_id and self._settings.github_token is None

    @property
    def lanes(self) -> tuple[Lane, ...]:
        """The lanes over GraphQL and REST, or over REST alone."""
        return lanes_for(anonymous=self.anonymous, over_git=self.over_git)

    @property
    def notice(self) -> str | None:
        """A hint that a token allows more requests."""
        if not self.anonymous:
            return None
        packages = 60 if self.over_git else 15
        return (
            f"no token: GitHub allows 60 requests an hour, some {packages} packages; set FETCHER_GITHUB_TOKEN for more"
        )

    @property
    def rejected_remedy(self) -> str:
        """The settings of the App, or the token."""
        if self._settings.github_app_id:
            return "Check FETCHER_GITHUB_APP_ID and FETCHER_GITHUB_APP_INSTALLATION_ID, and that the App is installed"
        return "Set FETCHER_GITHUB_TOKEN to a valid token"

    def parse(self, location: Location) -> RepoRef | str:
        """Parse ``/owner/name``."""
        return addresses.parse(location)

    def read_meta(self, response: Response) -> ResponseMeta:
        """Return the quota and the request id."""
        return read_meta(response)

    def costs(self, target: Target, now: datetime, cadence: Cadence) -> list[Cost]:
        """Return the cost of the repository's sources."""
        return costs(target, now, anonymous=self.anonymous, over_git=self.over_git)

    async def check(self, transport: Transport, now: datetime) -> Checked:
        """Request the rate limits: they cost nothing and need no permission."""
        answer = await transport.send(rate_limit(self.api))
        found = token_finding(answer, anonymous=self.anonymous)
        return Checked((found, *announced_end(answer, now)), answer)

    def notes(self, checkpoint: Callable[[str], Checkpoint | None], now: datetime) -> list[Finding]:
        """Report the result of the last comparison of commit weeks with GitHub's participation."""
        return [merges_finding(checkpoint(MERGES), now)]

    def connect(self, tools: Tools) -> GitHubRefresh:
        """Return the refresh of repositories."""
        return GitHubRefresh.connected(tools, self.api, self.credential, over_git=self.over_git)


def token_finding(answer: Answer, *, anonymous: bool) -> Finding:
    """Check the credential and its quota by GitHub's response; an unusable response is a ``github`` finding."""
    meaning = classify(answer)
    if isinstance(meaning, Unauthorized):
        remedy = "Set FETCHER_GITHUB_TOKEN to a valid token, or fix the settings of the App"
        return Finding("token", False, meaning.reason, remedy)
    if not isinstance(meaning, Response):
        reason = getattr(meaning, "reason", str(meaning))
        remedy = "Check FETCHER_GITHUB_API_URL and the network"
        if isinstance(answer, Response) and answer.status == 410:
            remedy = _UPGRADE
        elif isinstance(answer, Response) and answer.status == 404 and _LIMITS_OFF not in message_of(answer).lower():
            reason, remedy = "FETCHER_GITHUB_API_URL is not the root of GitHub's REST API: it returned 404", _ROOTS
        return Finding("github", False, reason, remedy)
    quota = read_quota(meaning)
    left = (
        f"{quota.remaining} of {quota.limit} requests left this hour" if quota else "no quota reported (an Enterprise?)"
    )
    if anonymous:
        message = f"none: GitHub's REST API only, {left} – about 15 packages an hour. Set FETCHER_GITHUB_TOKEN for more"
        return Finding("token", True, message)
    return Finding("token", True, f"valid, {left}")


def announced_end(answer: Answer, now: datetime) -> list[Finding]:
    """Report an announced end of the API version in use: one finding, or none without an announcement.

    The finding is ``ok`` until the announced date has passed.
    """
    announced = read_retirement(answer.headers) if isinstance(answer, Response) else None
    if announced is None:
        return []
    name, version, end = "api", f"version {API_VERSION} of GitHub's REST API", announced.sunset_at
    if end is None:
        return [Finding(name, True, f"{version} is deprecated; GitHub names no date for its end")]
    if end <= now:
        return [Finding(name, False, f"{version} was announced to end on {end:%Y-%m-%d}", _UPGRADE)]
    message = f"{version} is served until {end:%Y-%m-%d}, another {span(end - now)}; install a newer Fetcher before"
    return [Finding(name, True, message)]


def merges_finding(found: Checkpoint | None, now: datetime) -> Finding:
    """Report the result of the last comparison of commit weeks with GitHub's participation."""
    if found is None or found.outcome is None:
        text = "count in weekly commits; not compared with GitHub's statistics yet (`fetcher verify` does)"
        return Finding(MERGES, True, text)
    verb = "count" if counts_merges(found) else "do not count"
    text = f"{verb} in weekly commits; compared {ago(found.observed_at, now)}: {found.message}"
    return Finding(MERGES, True, text)
