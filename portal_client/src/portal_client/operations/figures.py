"""The organization in figures, and what scores mean in it."""

from __future__ import annotations

from portal_client.calls import Call
from portal_client.models import Scores, Statistics
from portal_client.reading import model


def get_statistics() -> Call[Statistics]:
    """The organization in figures."""
    return Call("GET", "/statistics", model(Statistics))


def get_scores() -> Call[Scores]:
    """What similarity scores mean: the thresholds in force, and what they cost."""
    return Call("GET", "/scores", model(Scores))
