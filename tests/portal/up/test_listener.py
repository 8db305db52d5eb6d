"""The address of the portal: what is refused, and how that is told."""

from __future__ import annotations

import socket

import pytest

from portal.up.listener import Listener, ListenError


def test_a_port_in_use_is_told_with_what_to_do() -> None:
    with Listener("127.0.0.1", 0) as first, pytest.raises(ListenError) as refused:
        Listener("127.0.0.1", first.port)
    assert f"Port {first.port} of 127.0.0.1 is in use" in str(refused.value)
    assert f"portal up --port {first.port + 1}" in str(refused.value)


@pytest.mark.parametrize("host", ["203.0.113.7", "no such name"])
def test_an_address_that_is_not_here_is_told(host: str) -> None:
    with pytest.raises(ListenError, match="is not an address of this machine"):
        Listener(host, 0)


@pytest.mark.parametrize(
    ("host", "local", "own_host"),
    [("127.0.0.1", True, "127.0.0.1"), ("localhost", True, None), ("0.0.0.0", False, "127.0.0.1")],
)
def test_knows_who_can_reach_it(host: str, local: bool, own_host: str | None) -> None:
    with Listener(host, 0) as listener:
        assert listener.is_local is local
        if own_host:
            assert listener.url == f"http://{own_host}:{listener.port}"
        socket.create_connection((listener.own_host, listener.port)).close()


def test_listens_on_ipv6_where_there_is_one() -> None:
    try:
        listener = Listener("::1", 0)
    except ListenError as error:
        pytest.skip(f"no IPv6 here: {error}")
    with listener:
        assert listener.is_local
        assert listener.url == f"http://[::1]:{listener.port}"


def test_a_port_is_free_again_at_once() -> None:
    with Listener("127.0.0.1", 0) as first:
        port = first.port
        socket.create_connection(("127.0.0.1", port)).close()
    with Listener("127.0.0.1", port) as second:
        assert second.port == port
