"""Hosts and addresses that are not public."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv6Address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fetcher.catalogue.public_hosts import private_address, private_name


@pytest.mark.parametrize(
    "host", ["gitlab.com", "git.sr.ht", "git.example.org:3000", "a-b.co.uk", "xn--bcher-kva.de", "1.a.2.com"]
)
def test_a_public_name(host: str) -> None:
    assert private_name(host) is None


@pytest.mark.parametrize(
    ("host", "reason"),
    [
        ("localhost", "without a dot"),
        ("git:3000", "without a dot"),
        ("", "without a dot"),
        ("127.0.0.1", "an IP address"),
        ("127.1", "an IP address"),
        ("2130706433", "an IP address"),
        ("0x7f.1", "an IP address"),
        ("[::1]:80", "an IP address"),
        ("::1", "not a valid host name"),
        ("git.corp", "a private or reserved name"),
        ("git.internal", "a private or reserved name"),
        ("git.local", "a private or reserved name"),
        ("git.localhost:8000", "a private or reserved name"),
        ("git.example", "a private or reserved name"),
        ("a.b.onion", "a private or reserved name"),
        ("1.0.0.127.in-addr.arpa", "a private or reserved name"),
        ("git..org", "not a valid host name"),
        ("-git.org", "not a valid host name"),
        ("bücher.de", "not a valid host name"),
        ("a" * 64 + ".org", "not a valid host name"),
        (".".join(["a" * 60] * 5) + ".org", "not a valid host name"),
        ("git.org:port", "not a valid host name"),
    ],
)
def test_a_name_that_is_not_public(host: str, reason: str) -> None:
    """Names of private networks, special-use names, addresses in any form, and invalid names."""
    assert reason in (private_name(host) or "")


@pytest.mark.parametrize("address", ["8.8.8.8", "2606:4700::1111", "::ffff:8.8.8.8", "64:ff9b::808:808"])
def test_a_public_address(address: str) -> None:
    assert private_address(address) is None


@pytest.mark.parametrize(
    ("address", "reason"),
    [
        ("127.0.0.1", "loopback"),
        ("::1", "loopback"),
        ("::ffff:127.0.0.1", "loopback"),
        ("2002:7f00:1::", "loopback"),
        ("64:ff9b::7f00:1", "loopback"),
        ("169.254.169.254", "link-local"),
        ("::ffff:169.254.169.254", "link-local"),
        ("fe80::1%eth0", "link-local"),
        ("224.0.0.1", "multicast"),
        ("ff02::1", "multicast"),
        ("0.0.0.0", "unspecified"),  # noqa: S104  (not a bind)
        ("::", "unspecified"),
        ("10.0.0.1", "private or reserved"),
        ("172.16.0.1", "private or reserved"),
        ("192.168.1.1", "private or reserved"),
        ("100.64.0.1", "private or reserved"),
        ("198.18.0.1", "private or reserved"),
        ("255.255.255.255", "private or reserved"),
        ("fd00::1", "private or reserved"),
        ("fec0::1", "private or reserved"),
        ("::127.0.0.1", "private or reserved"),
        ("64:ff9b:1::7f00:1", "private or reserved"),
        ("2001:db8::1", "private or reserved"),
        ("localhost", "not an IP address"),
    ],
)
def test_an_address_that_is_not_public(address: str, reason: str) -> None:
    """IPv4 addresses inside IPv6 ones are judged as themselves."""
    assert reason in (private_address(address) or "")


@given(st.ip_addresses(v=4))
def test_an_embedded_address_is_as_private_as_itself(address: IPv4Address) -> None:
    """Mapped and translated forms hide nothing."""
    translated = IPv6Address(int(IPv6Address("64:ff9b::")) | int(address))
    assert private_address(str(address)) == private_address(f"::ffff:{address}") == private_address(str(translated))


@given(st.text())
def test_no_text_is_public_by_accident(text: str) -> None:
    """Any text is judged without an error, and only ASCII names with a dot are public."""
    if private_name(text) is None:
        assert text.isascii()
        assert "." in text
    assert private_address(text) is not None or text
