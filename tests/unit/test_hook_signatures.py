"""Signatures of webhooks by the forges' published rules: right, forged, of another body, and late."""

from __future__ import annotations

import base64
import hmac
from datetime import timedelta

import pytest
from standardwebhooks import Webhook

from fetcher.hooks.signatures import Forge, is_authentic, sends_secret
from tests.harness.clock import NOW

SECRET, BODY = "It's a Secret to Everybody", b"Hello, World!"
DOCUMENTED = "sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17"
"""GitHub's own example of a secret, a payload and its signature ("Validating webhook deliveries")."""

DIGEST = hmac.digest(SECRET.encode(), BODY, "sha256").hex()
KEY = "whsec_" + base64.b64encode(b"a signing key of thirty-two byte").decode()


def github(signature: str, body: bytes = BODY, secret: str = SECRET) -> bool:
    return is_authentic(Forge.GITHUB, {"x-hub-signature-256": signature}, body, secret, NOW)


def test_the_published_example_of_github() -> None:
    """The documented signature belongs to the documented secret and payload, and to no others."""
    assert github(DOCUMENTED)
    assert not github(DOCUMENTED, body=BODY + b" ")
    assert not github(DOCUMENTED, secret="another")


@pytest.mark.parametrize(
    "signature",
    ["", "sha256=", DOCUMENTED[:-1], DOCUMENTED + "0", DOCUMENTED.replace("sha256", "sha1"), DIGEST, "sha256=ä" * 9],
)
def test_a_damaged_signature_is_refused(signature: str) -> None:
    """Absent, cut, longer, of another algorithm, without one, or not ASCII."""
    assert not github(signature)


@pytest.mark.parametrize("header", ["x-forgejo-signature", "x-gitea-signature"])
def test_forgejo_and_gitea_sign_the_raw_body(header: str) -> None:
    """The header has the bare digest; a signature of GitHub's form does not count."""
    assert is_authentic(Forge.FORGEJO, {header: DIGEST}, BODY, SECRET, NOW)
    assert not is_authentic(Forge.FORGEJO, {header: DOCUMENTED}, BODY, SECRET, NOW)
    assert not is_authentic(Forge.FORGEJO, {header: DIGEST}, BODY + b"\n", SECRET, NOW)
    assert not is_authentic(Forge.FORGEJO, {}, BODY, SECRET, NOW)


def test_gitlab_sends_its_token() -> None:
    """The token itself is compared; it can be guessed, so it is marked."""
    assert is_authentic(Forge.GITLAB, {"x-gitlab-token": SECRET}, BODY, SECRET, NOW)
    assert not is_authentic(Forge.GITLAB, {"x-gitlab-token": SECRET.lower()}, BODY, SECRET, NOW)
    assert not is_authentic(Forge.GITLAB, {}, BODY, SECRET, NOW)
    assert sends_secret(Forge.GITLAB, {})
    assert not sends_secret(Forge.GITLAB, {"webhook-signature": "v1,x"})
    assert not sends_secret(Forge.GITHUB, {})


def standard(age: timedelta = timedelta(0), **changes: str) -> dict[str, str]:
    at = NOW - age
    signature = Webhook(KEY).sign("msg_1", at, BODY.decode())
    signed = {"webhook-id": "msg_1", "webhook-timestamp": str(int(at.timestamp())), "webhook-signature": signature}
    return signed | changes


def test_gitlab_signs_by_the_standard() -> None:
    """A signature of the reference library counts, alone or among others; a token beside it does not matter."""
    assert is_authentic(Forge.GITLAB, standard(), BODY, KEY, NOW)
    several = f"v1,AAAA {standard()['webhook-signature']} v2,x"
    assert is_authentic(Forge.GITLAB, standard(**{"webhook-signature": several}), BODY, KEY, NOW)


@pytest.mark.parametrize(
    "headers",
    [
        standard(timedelta(minutes=6)),
        standard(-timedelta(minutes=6)),
        standard(**{"webhook-id": "msg_2"}),
        standard(**{"webhook-timestamp": "soon"}),
        standard(**{"webhook-timestamp": "²"}),
        standard(**{"webhook-timestamp": "9" * 40}),
        standard(**{"webhook-signature": "v1,", "x-gitlab-token": KEY}),
    ],
    ids=["late", "early", "other id", "text", "digit", "huge", "token instead"],
)
def test_a_standard_signature_covers_id_time_and_body(headers: dict[str, str]) -> None:
    """A replay with another id or after five minutes, and a damaged timestamp, are refused."""
    assert not is_authentic(Forge.GITLAB, headers, BODY, KEY, NOW)
