"""Searches by photo."""

from __future__ import annotations

from collections.abc import Sequence

from portal_client.calls import Call, Form
from portal_client.models import Search, Searches
from portal_client.operations.faces import probe
from portal_client.reading import model
from portal_client.uploads import Source, Sources, uploads_of


def create_search(
    image: Source | None = None,
    *,
    template: bytes | None = None,
    face_model: str | None = None,
    limit: int | None = None,
    min_score: float | None = None,
    all_faces: bool | None = None,
    restrict_to: Sequence[str] | None = None,
    restrict_to_batch: int | None = None,
    wait: float | None = None,
) -> Call[Search]:
    """Search for the main face of a photo, or for all faces.

    A template may come in place of the photo, with the fingerprint of its face model.

    limit: the longest candidate list. min_score: candidates below it are left out. restrict_to: external IDs
    of the only people to compare with; restrict_to_batch: those whom a batch enrolled. wait: so many seconds,
    60 at most, the answer may be held back until the search is done.
    """
    fields = _fields(limit, min_score, all_faces, restrict_to, restrict_to_batch)
    form = probe({"image": image}, {"template": template}, face_model, fields)
    return Call("POST", "/searches", model(Search), {"wait": wait}, form=form, held_s=wait or 0)


def create_searches(
    images: Sources,
    *,
    limit: int | None = None,
    min_score: float | None = None,
    all_faces: bool | None = None,
    restrict_to: Sequence[str] | None = None,
    restrict_to_batch: int | None = None,
    wait: float | None = None,
) -> Call[Searches]:
    """Search for several photos, a search each; otherwise as create_search."""
    fields = _fields(limit, min_score, all_faces, restrict_to, restrict_to_batch)
    form = Form(fields, [("images", one) for one in uploads_of(images)])
    return Call("POST", "/searches/batch", model(Searches), {"wait": wait}, form=form, held_s=wait or 0)


def get_search(search_id: int) -> Call[Search]:
    """A search and what it found."""
    return Call("GET", f"/searches/{search_id}", model(Search))


def _fields(
    limit: int | None,
    min_score: float | None,
    all_faces: bool | None,
    restrict_to: Sequence[str] | None,
    restrict_to_batch: int | None,
) -> dict[str, int | float | bool | Sequence[str] | None]:
    if isinstance(restrict_to, str):
        raise TypeError("restrict_to is a list of external IDs.")
    return {
        "limit": limit,
        "min_score": min_score,
        "all_faces": all_faces,
        "restrict_to": restrict_to,
        "restrict_to_batch": restrict_to_batch,
    }
