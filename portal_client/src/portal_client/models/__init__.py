"""What the portal answers. Scores are cosines from -1 to 1; boxes are left, top, right, bottom in pixels.

States are words, such as queued, running, done or failed; a newer portal may have more of them.
"""

from portal_client.models.batches import (
    Announced,
    AnnouncedFiles,
    Archive,
    ArchiveProgress,
    Batch,
    BatchInList,
    Item,
    ManifestRows,
)
from portal_client.models.duplicates import DecidedPair, Pair, PairedPerson, Scan, Scans
from portal_client.models.faces import (
    ComparedFace,
    Comparison,
    DetectedFace,
    Detection,
    ExaminedFace,
    FaceModel,
    PhotoScore,
    Quality,
    Steps,
    Verification,
)
from portal_client.models.figures import Interval, PhotoCounts, Rates, Scores, Statistics, Threshold
from portal_client.models.people import Face, Person, PersonInList, Photo
from portal_client.models.searches import Candidate, ProcessingMs, Search, SearchedFace, Searches

__all__ = [
    "Announced",
    "AnnouncedFiles",
    "Archive",
    "ArchiveProgress",
    "Batch",
    "BatchInList",
    "Candidate",
    "ComparedFace",
    "Comparison",
    "DecidedPair",
    "DetectedFace",
    "Detection",
    "ExaminedFace",
    "Face",
    "FaceModel",
    "Interval",
    "Item",
    "ManifestRows",
    "Pair",
    "PairedPerson",
    "Person",
    "PersonInList",
    "Photo",
    "PhotoCounts",
    "PhotoScore",
    "ProcessingMs",
    "Quality",
    "Rates",
    "Scan",
    "Scans",
    "Scores",
    "Search",
    "SearchedFace",
    "Searches",
    "Statistics",
    "Steps",
    "Threshold",
    "Verification",
]
