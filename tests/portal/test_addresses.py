"""As what addresses are counted: one IPv6 client has more addresses than anyone could count."""

from __future__ import annotations

import pytest
from flask import Flask
from werkzeug.test import TestResponse

from portal.addresses import network_of
from portal.http.holding import LIMITS, STRANGERS_OF_ADDRESS, places
from tests.visitor import Visitor


@pytest.mark.parametrize(
    ("address", "network"),
    [
        ("192.0.2.7", "192.0.2.7"),
        ("2001:db8:0:1::7", "2001:db8:0:1::/64"),
        ("2001:db8:0:1:ffff::", "2001:db8:0:1::/64"),
        ("2001:db8:0:2::7", "2001:db8:0:2::/64"),
        ("::ffff:192.0.2.7", "192.0.2.7"),
        ("fe80::1%eth0", "fe80::/64"),
        ("unknown", "unknown"),
        ("", ""),
    ],
)
def test_an_address_counts_as(address: str, network: str) -> None:
    assert network_of(address) == network


NEIGHBOURS = [{"REMOTE_ADDR": f"2001:db8::{number:x}"} for number in range(1, 100)]
STRANGER = {"REMOTE_ADDR": "2001:db8:0:1::1"}


def test_wrong_passwords_are_counted_by_network(bob: Visitor) -> None:
    browser = Visitor(bob.app)

    def fail(environ: dict[str, str], number: int) -> TestResponse:
        browser.get("/login")
        token = browser.page.select_one("[name=csrf_token]")
        assert token is not None
        data = {"email": f"{number}@a.example", "password": "wrong", "csrf_token": token["value"]}
        return browser.client.post("/login", data=data, environ_overrides=environ)

    statuses = [fail(NEIGHBOURS[number], number).status_code for number in range(31)]
    assert 429 not in statuses[:30]
    assert statuses[30] == 429
    assert fail(STRANGER, 31).status_code != 429


def test_refused_keys_are_counted_by_network(app: Flask) -> None:
    client = app.test_client()
    statuses = [client.get("/api/v1/people", environ_overrides=one).status_code for one in NEIGHBOURS[:61]]
    assert statuses == [401] * 60 + [429]
    assert client.get("/api/v1/people", environ_overrides=STRANGER).status_code == 401


def test_places_are_counted_by_network(app: Flask, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(LIMITS, STRANGERS_OF_ADDRESS, 1)
    client = app.test_client()
    with app.app_context():
        places().take(STRANGERS_OF_ADDRESS, "2001:db8::/64")
    answers = [
        client.post("/login", data={"a": "b"}, environ_overrides=one) for one in (*NEIGHBOURS[:2], STRANGER)
    ]
    assert [answer.status_code for answer in answers] == [429, 429, 400]
