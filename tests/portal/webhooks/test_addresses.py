"""Where webhooks may go, and how an address can be typed."""

from __future__ import annotations

import pytest

from portal.webhooks.addresses import is_public
from portal.webhooks.targets import TargetError, clean_target, origin_of


@pytest.mark.parametrize("address", ["93.184.216.34", "1.1.1.1", "2606:4700::1111", "64:ff9b::101:101"])
def test_what_the_whole_internet_can_reach_is_public(address: str) -> None:
    assert is_public(address)


@pytest.mark.parametrize(
    "address",
    [
        *("127.0.0.1", "127.8.8.8", "::1", "0.0.0.0", "::", "0.1.2.3"),  # this machine
        *("10.0.0.1", "172.16.0.1", "192.168.1.1", "fd00::1", "fec0::1"),  # this network
        *("169.254.169.254", "fe80::1", "fe80::1%eth0"),  # this link, the cloud's metadata
        *("100.64.0.1", "100.100.100.200"),  # the provider's network
        *("224.0.0.1", "255.255.255.255", "240.0.0.1", "ff02::1"),  # many, or nobody
        *("192.0.2.1", "198.18.0.1", "2001:db8::1"),  # examples, benchmarks
        # Any of these, written in IPv6.
        *("::ffff:127.0.0.1", "::ffff:10.0.0.1", "::127.0.0.1", "64:ff9b::7f00:1", "64:ff9b::a9fe:a9fe"),
        *("64:ff9b:1::1", "2002:7f00:1::", "2001:0:7f00:1::"),
    ],
)
def test_what_only_the_portal_can_reach_is_not(address: str) -> None:
    assert not is_public(address)


def test_an_address_is_taken_as_it_was_typed() -> None:
    for address in ("https://example.org/hooks?to=portal", "https://exämple.org:8443/", "https://[2606::1]/"):
        assert clean_target(f" {address} ", private_allowed=False) == address
    assert clean_target("http://receiver.local/", private_allowed=True) == "http://receiver.local/"


@pytest.mark.parametrize(
    ("address", "told"),
    [
        ("", "Enter the address"),
        ("example.org", "Enter an address such as https://"),
        ("ftp://example.org/", "Enter an address such as https://"),
        ("https://", "Enter an address such as https://"),
        ("https://exa mple.org/", "Enter an address such as https://"),
        ("https://example.org:port/", "Enter an address such as https://"),
        ("https://example.org/\0", "Enter an address such as https://|can't be read"),
        ("http://example.org/", "must begin with https://"),
        ("https://user:word@example.org/", "Leave user name and password out"),
        ("https://example.org/#part", "Leave out what stands behind #"),
        ("https://example.org/" + "x" * 2000, "2000 are allowed"),
    ],
)
def test_what_can_not_be_an_address_is_told(address: str, told: str) -> None:
    with pytest.raises(TargetError, match=told):
        clean_target(address, private_allowed=False)


def test_the_audit_gets_no_more_of_an_address_than_its_name() -> None:
    assert origin_of("https://example.org:8443/hooks/T0K3N?key=1") == "https://example.org:8443"
