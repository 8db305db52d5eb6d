"""What the tests of galleries share."""

from __future__ import annotations

import pytest

from jobs.gallery import comparing, exact


@pytest.fixture(params=["int8 codes", "float32 only"])
def path(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Comparing as this machine does it, and as one does whose integer product is wrong."""
    if request.param == "float32 only":
        for module in (comparing, exact):
            monkeypatch.setattr(module, "integer_product", lambda: None)
