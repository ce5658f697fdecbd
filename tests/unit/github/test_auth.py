"""Credentials: their choice by the settings, the identity that owns the quota, and their secrecy."""

from __future__ import annotations

import hashlib

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from fetcher.domain.errors import ConfigError
from fetcher.settings import read_settings
from fetcher.upstreams.github.auth import Anonymous, App, Token, credential_from

MARK = "ghp_MARKED"


@pytest.fixture(scope="session")
def app_key() -> str:
    """Generate a private key in the form of a GitHub App's PEM file; no App has it."""
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.TraditionalOpenSSL, serialization.NoEncryption()
    ).decode()


async def test_without_a_credential() -> None:
    """Nothing is sent, and the quota is the anonymous one."""
    credential = credential_from(read_settings({}))
    assert isinstance(credential, Anonymous)
    assert (await credential.header(), credential.identity) == (None, "anonymous")


async def test_a_token() -> None:
    """It is sent unchanged. Its identity is stable, reveals nothing of it, and differs from another token's."""
    credential = credential_from(read_settings({"FETCHER_GITHUB_TOKEN": MARK}))
    assert isinstance(credential, Token)
    assert await credential.header() == f"Bearer {MARK}"
    assert credential.identity == f"token:{hashlib.sha256(MARK.encode()).hexdigest()[:16]}"
    assert MARK not in repr(credential)
    assert credential_from(read_settings({"GITHUB_TOKEN": "other"})).identity != credential.identity


def test_an_app_goes_before_a_token(app_key: str) -> None:
    """An App's installation is one identity with any of its tokens, and its key is not shown."""
    environment = {
        "FETCHER_GITHUB_APP_ID": "12",
        "FETCHER_GITHUB_APP_PRIVATE_KEY": app_key,
        "FETCHER_GITHUB_APP_INSTALLATION_ID": "34",
        "FETCHER_GITHUB_TOKEN": MARK,
    }
    credential = credential_from(read_settings(environment))
    assert isinstance(credential, App)
    assert credential.identity == "app:12:34"
    assert repr(credential) == "App(app:12:34)"


@pytest.mark.parametrize("left_out", ["FETCHER_GITHUB_APP_PRIVATE_KEY", "FETCHER_GITHUB_APP_INSTALLATION_ID"])
def test_half_an_app(left_out: str, app_key: str) -> None:
    """An App without its key or installation is an error of one line; the token does not replace it."""
    environment = {
        "FETCHER_GITHUB_APP_ID": "12",
        "FETCHER_GITHUB_APP_PRIVATE_KEY": app_key,
        "FETCHER_GITHUB_APP_INSTALLATION_ID": "34",
        "FETCHER_GITHUB_TOKEN": MARK,
    }
    del environment[left_out]
    with pytest.raises(ConfigError, match="without its key or installation"):
        credential_from(read_settings(environment))


@pytest.mark.parametrize("key", ["no key", "-----BEGIN RSA PRIVATE KEY-----\nMARKED\n-----END RSA PRIVATE KEY-----"])
def test_a_key_that_is_none(key: str) -> None:
    """A broken key is reported at the start of the process, without its text."""
    with pytest.raises(ConfigError, match="private key cannot be used") as caught:
        App("12", key, 34, "https://api.example")
    assert "MARKED" not in str(caught.value)
    assert caught.value.__suppress_context__
