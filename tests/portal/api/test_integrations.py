"""docs/integrations.md: every call of ours that it names is one of the contract."""

from __future__ import annotations

import json
import re
from pathlib import Path

DOCS = Path(__file__).parents[3] / "docs"


def named() -> set[str]:
    """Our calls in the middle column of the tables."""
    calls: set[str] = set()
    for line in (DOCS / "integrations.md").read_text().splitlines():
        if line.startswith("|") and line.count(" | ") == 2:
            _, ours, rest = line.split(" | ")
            calls.update(re.findall(r"`([A-Z]+ /api/v1/[^`]*)`", ours))
            calls.update(re.findall(r"`([A-Z]+ /api/v1/(?!recognition|static)[^`]*)`", rest))
    return calls


def offered() -> set[str]:
    contract = json.loads((DOCS / "openapi.json").read_text())
    return {
        f"{method.upper()} {path}" for path, operations in contract["paths"].items() for method in operations
    }


def test_every_call_that_is_named_is_offered() -> None:
    assert len(named()) > 10
    assert named() - offered() == set()
