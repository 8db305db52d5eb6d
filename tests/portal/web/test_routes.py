"""Addresses are a promise: bookmarks, links in reports and programs rest on them."""

from __future__ import annotations

from pathlib import Path

from flask import Flask

PROMISED = Path(__file__).with_name("routes.txt")


def test_every_address_is_there_and_none_came_unnoticed(app: Flask) -> None:
    """A new one is added to routes.txt by whoever adds the page."""
    found = {
        f"{rule.rule} {' '.join(sorted((rule.methods or set()) - {'HEAD', 'OPTIONS'}))}"
        for rule in app.url_map.iter_rules()
    }
    assert found == set(PROMISED.read_text().splitlines())
