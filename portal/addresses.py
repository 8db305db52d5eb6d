"""Where a request comes from, as far as it is counted."""

from __future__ import annotations

from ipaddress import IPv6Address, ip_address, ip_network

from flask import request

# What one customer of a provider has at least (RFC 6177): whoever has one address has them all.
IPV6_PREFIX = 64


def network_of(address: str) -> str:
    """What limits count an address as: an IPv4 address itself, of an IPv6 one its /64.

    An IPv4 address that is written as IPv6 counts as itself, and what is no address as its text.
    """
    try:
        parsed = ip_address(address.partition("%")[0])
    except ValueError:  # a proxy's word, or a socket's of this machine
        return address
    if not isinstance(parsed, IPv6Address):
        return str(parsed)
    if parsed.ipv4_mapped is not None:
        return str(parsed.ipv4_mapped)
    return str(ip_network((parsed, IPV6_PREFIX), strict=False))


def client_network() -> str:
    """That of the present request's client."""
    return network_of(request.remote_addr or "")
