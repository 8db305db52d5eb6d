"""How long work takes."""

from __future__ import annotations

import time


def ms_since(moment: float) -> float:
    """Milliseconds since a moment of time.perf_counter."""
    return (time.perf_counter() - moment) * 1000
