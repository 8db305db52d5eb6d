"""What is known about face models: their licence, and from which similarity score on two faces match."""

from __future__ import annotations

from dataclasses import dataclass

from portal.installation.models import PermittedUse


@dataclass(frozen=True)
class ModelCard:
    """Shown to staff and operators wherever the face model is named."""

    # Default threshold of a search in a gallery: a cosine, -1…1.
    threshold: float
    # One sentence: what the threshold rests on.
    threshold_source: str
    licence: str
    permitted_use: PermittedUse
    # What else one should know before relying on it; empty: nothing.
    remark: str = ""


@dataclass(frozen=True)
class _Terms:
    """A licence, and for what it allows a model to be used."""

    licence: str
    permitted_use: PermittedUse


_INSIGHTFACE = _Terms(
    "InsightFace's pretrained weights: for non-commercial research purposes only. "
    "Other uses need a licence from InsightFace (contact@insightface.ai).",
    PermittedUse.RESEARCH,
)
_OPENCV = _Terms(
    "YuNet: MIT licence. SFace: Apache License 2.0. Their texts come with the portal (jobs/faces/licences).",
    PermittedUse.ANY,
)
_DLIB = _Terms(
    "dlib's weights: public domain (CC0), any use. The dlib library: Boost Software License.",
    PermittedUse.ANY,
)


def _measured(threshold: float, people: str, missed: str, terms: _Terms, remark: str = "") -> ModelCard:
    source = (
        f"Measured on LFW with one photo per person of {people} people as the gallery: about 1 % of searches"
        f" for people who are not in it find someone, and {missed} of those for people who are find none."
    )
    return ModelCard(threshold, source, terms.licence, terms.permitted_use, remark)


_CUSTOMARY = ModelCard(
    threshold=0.40,
    threshold_source="A customary value for InsightFace's models, not measured for this one.",
    licence=_INSIGHTFACE.licence,
    permitted_use=_INSIGHTFACE.permitted_use,
)
_UNKNOWN = ModelCard(
    threshold=0.45,
    threshold_source="A customary value for ArcFace models; this model is not known to the portal.",
    licence="Not known to the portal: ask whoever gave you the model.",
    permitted_use=PermittedUse.UNKNOWN,
)

# By the fingerprint of the pack, where it was measured: a folder can have any name.
_BY_FINGERPRINT = {
    "212ec4dcd90ba6be74328be7bb7f7f7a788612117e0c10b4a59baee403ca9249": _measured(
        0.46, "1,420", "6 %", _INSIGHTFACE
    ),
    "566474bc4764285df7c26a01f4b0e051c9093c79c19414d000f74350067e6e4f": _measured(
        0.475, "1,420", "8 %", _INSIGHTFACE
    ),
    "e25fbecd3cdd035e283113b174aa5fa0a1010b7a2294205ffcdb6dbf7a4c3c66": _measured(
        0.484,
        "1,420",
        "5 %",
        _OPENCV,
        "The authors of SFace do not state on which photos it was trained: calibrate it on your own people.",
    ),
    "b7c1dd52ed7e6e465bd7f42e035690d19b5eea6446d2f074f364dde18b9436b8": _measured(
        0.953, "1,417", "41 %", _DLIB
    ),
}
_INSIGHTFACE_NAMES = {"buffalo_l", "buffalo_m", "buffalo_s", "buffalo_sc", "antelopev2", "mbf", "mbf_v2"}


def card_of(name: str, fingerprint: str) -> ModelCard:
    """What is known about a pack: by its files where they were measured, else by its name."""
    if fingerprint in _BY_FINGERPRINT:
        return _BY_FINGERPRINT[fingerprint]
    return _CUSTOMARY if name in _INSIGHTFACE_NAMES else _UNKNOWN
