"""People of whom there are several photos."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Mate:
    """Someone of whom there are several photos: some to enrol, and another to search with."""

    name: str
    photos: list[Path]
    probe: Path

    @property
    def external_id(self) -> str:
        return self.name.upper().replace(" ", "-")


def mates(lfw: Path, photos: int) -> list[Mate]:
    """Everybody with that many photos and one to spare, by name."""
    found = []
    for folder in sorted(lfw.iterdir()):
        files = sorted(folder.glob("*.jpg"))
        if len(files) > photos:
            found.append(Mate(folder.name.replace("_", " "), files[:photos], files[photos]))
    return found
