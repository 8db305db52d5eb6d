"""Which network addresses webhooks may go to: only such as the whole internet can reach.

An admin of an organization chooses where the portal sends requests. What only the portal's own machine or
network can reach (databases, routers, the cloud's metadata) is none of their business.
"""

from __future__ import annotations

from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address

# IPv4 addresses written in IPv6: RFC 6052 (NAT64) and RFC 3056 (6to4).
NAT64 = IPv6Network("64:ff9b::/96")
TUNNELS = (IPv6Network("2002::/16"), IPv6Network("2001::/32"), IPv6Network("64:ff9b:1::/48"))


def is_public(text: str) -> bool:
    """Whether an IP address is one that the whole internet can reach. Raises ValueError for no IP address."""
    address = ip_address(text)
    if isinstance(address, IPv6Address):
        if address.ipv4_mapped is not None:
            return _is_public(address.ipv4_mapped)
        if address in NAT64:
            return _is_public(IPv4Address(int(address) & 0xFFFFFFFF))
        # Any address can hide in a tunnel (6to4, Teredo, a network's own NAT64).
        if address.scope_id is not None or any(address in tunnel for tunnel in TUNNELS):
            return False
        if address.is_site_local:
            return False
    return _is_public(address)


def _is_public(address: IPv4Address | IPv6Address) -> bool:
    special = (
        address.is_private
        or address.is_loopback
        or address.is_link_local
        or address.is_multicast
        or address.is_unspecified
        or address.is_reserved
    )
    # Shared addresses (100.64.0.0/10) are neither private nor global.
    return address.is_global and not special
