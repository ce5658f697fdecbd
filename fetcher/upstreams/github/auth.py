"""GitHub credentials: a token, or a GitHub App's installation token, which PyGithub renews before it expires.

PyGithub signs the App's JWT and exchanges it. Its calls block and are rare (one per hour and process), so they run in a
thread. It is imported only for an App, because it takes a tenth of a second and 19 MB of each worker process. A
credential's ``identity`` names the quota it spends and never shows the secret.
"""

from __future__ import annotations

import asyncio
import hashlib
from typing import Protocol

from pydantic import SecretStr

from fetcher.domain.errors import ConfigError, RejectedCredential
from fetcher.settings import PUBLIC_API, Settings

REFUSALS = (401, 403, 404)
"""Statuses of GitHub's responses to an App that is unknown, suspended or not installed."""

_TIMEOUT = 15


class GitHubCredential(Protocol):
    @property
    def identity(self) -> str:
        """Identity whose quota is spent; ``anonymous`` without a credential."""
        ...

    async def header(self) -> str | None:
        """Return the value of ``Authorization``."""
        ...


class Anonymous:
    """No credential: REST only, 60 requests per hour and address."""

    identity = "anonymous"

    async def header(self) -> str | None:
        return None


class Token:
    """A personal or fine-grained token."""

    def __init__(self, token: SecretStr) -> None:
        self._token = token
        self.identity = f"token:{hashlib.sha256(token.get_secret_value().encode()).hexdigest()[:16]}"

    def __repr__(self) -> str:
        return f"Token({self.identity})"

    async def header(self) -> str | None:
        return f"Bearer {self._token.get_secret_value()}"


class App:
    """A GitHub App's installation. Its token lives an hour and is renewed by PyGithub."""

    def __init__(self, app_id: str, private_key: str, installation_id: int, root: str) -> None:
        from github import Auth, Github  # noqa: PLC0415  (see above)

        self.identity = f"app:{app_id}:{installation_id}"
        try:
            signer = Auth.AppAuth(app_id, private_key)
            _ = signer.token
        except Exception as error:  # noqa: BLE001  (PyJWT and cryptography each raise their own errors for a bad key)
            raise ConfigError(
                f"the GitHub App's private key cannot be used ({type(error).__name__})",
                "Put the PEM file's content into FETCHER_GITHUB_APP_PRIVATE_KEY or its path into …_FILE",
            ) from None
        self._auth = signer.get_installation_auth(installation_id)
        self._auth.withRequester(Github(base_url=root, auth=signer, timeout=_TIMEOUT, retry=None).requester)
        self._renewing = asyncio.Lock()

    def __repr__(self) -> str:
        return f"App({self.identity})"

    async def header(self) -> str | None:
        from github import GithubException, RateLimitExceededException  # noqa: PLC0415  (see above)

        async with self._renewing:
            try:
                token = await asyncio.to_thread(lambda: self._auth.token)
            except GithubException as error:
                final = error.status in REFUSALS and not isinstance(error, RateLimitExceededException)
                raise (RejectedCredential if final else ConfigError)(
                    f"GitHub refuses the App's installation token (status {error.status})",
                    "Check FETCHER_GITHUB_APP_ID and FETCHER_GITHUB_APP_INSTALLATION_ID, and that the App is installed",
                ) from None
            except OSError as error:
                raise ConfigError(
                    f"GitHub cannot be reached for an installation token ({type(error).__name__})",
                    "Check FETCHER_GITHUB_API_URL and the network",
                ) from None
        return f"Bearer {token}"


def credential_from(settings: Settings) -> GitHubCredential:
    """Return the credential that the settings name: an App before a token, a token before none."""
    if settings.github_app_id:
        key, installation = settings.app_private_key(), settings.github_app_installation_id
        if not key or not installation:
            raise ConfigError(
                "FETCHER_GITHUB_APP_ID is set without its key or installation",
                "Set FETCHER_GITHUB_APP_PRIVATE_KEY (or …_FILE) and FETCHER_GITHUB_APP_INSTALLATION_ID too",
            )
        return App(settings.github_app_id, key, installation, settings.github_api_url or PUBLIC_API)
    if settings.github_token is not None:
        return Token(settings.github_token)
    return Anonymous()
