"""Every kind of forge has a reader, and its declaration costs no import of the reader."""

from __future__ import annotations

import base64
import subprocess
import sys

from fetcher.upstreams.bitbucket.kind import BITBUCKET
from fetcher.upstreams.forgejo.kind import FORGEJO
from fetcher.upstreams.hosted.base import ForgeHost, ForgeKind
from fetcher.upstreams.registry import HOSTED

HOST = ForgeHost(
    "forge.example", "forge.example", ForgeKind.FORGEJO, "https://forge.example/code", "https://forge.example"
)


def test_every_kind_is_registered() -> None:
    """A host of any kind is served by its own reader, not by git alone."""
    assert HOSTED.keys() == set(ForgeKind)


def test_credentials_have_the_form_of_their_forge() -> None:
    """Bitbucket's API tokens belong to an address and are sent as Basic; its access tokens are not."""
    assert FORGEJO.authorization("secret") == "token secret"
    assert BITBUCKET.authorization("secret") == "Bearer secret"
    scheme, _, encoded = BITBUCKET.authorization("ann@example.org:secret").partition(" ")
    assert (scheme, base64.b64decode(encoded)) == ("Basic", b"ann@example.org:secret")


def test_probes_are_small_and_below_the_root() -> None:
    """An instance below a path is asked below that path."""
    assert FORGEJO.probe(HOST).url == "https://forge.example/code/api/v1/version"
    assert BITBUCKET.probe(HOST).url == "https://forge.example/code/2.0/hook_events"


def test_declarations_import_no_reader() -> None:
    """Every command imports the registry; the readers' models are imported with the first refresh."""
    program = (
        "import sys, fetcher.upstreams.registry; "
        "print([one for one in sys.modules if one.endswith(('bitbucket.readers', 'forgejo.readers'))])"
    )
    done = subprocess.run([sys.executable, "-c", program], check=True, capture_output=True, text=True)
    assert done.stdout.strip() == "[]"
