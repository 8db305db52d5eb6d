"""Photos as they really come: turned ones, ID pages, forms, subjects at the edge, and bystanders.

    python -m bench.photos --models DIR --faces DIR [--model NAME …] [--photos N]

They are composed of the photos in `--faces`, in the same way each time. With `--photos N`, N pages of each
kind and one photo each of N people are tried.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from bench import arguments
from bench.rows import Row, show
from jobs.faces import models as face_models
from jobs.faces.opening import open_engine
from jobs.faces.pipeline import FacePipeline, PhotoAnalysis

PAGES = 150
TURNS = {90: cv2.ROTATE_90_CLOCKWISE, 180: cv2.ROTATE_180, 270: cv2.ROTATE_90_COUNTERCLOCKWISE}

Picture = NDArray[np.uint8]
# Left, top, right, bottom of the photo that a page is of.
Box = tuple[int, int, int, int]


def run(models: Path, faces: Path, model_names: Sequence[str], photos: int | None = None) -> list[Row]:
    """How often the right face is chosen on pages, and the person found in turned photos, of each model."""
    people = [sorted(folder.glob("*.jpg")) for folder in sorted(faces.iterdir()) if folder.is_dir()]
    rows = []
    for name in model_names:
        engine = open_engine(face_models.find(name, models, announce=lambda _: None), "auto")
        pipeline = FacePipeline(engine)
        rows += _turned(name, pipeline, people, photos)
        rows += _pages(name, pipeline, people, photos or PAGES)
    return rows


def _turned(
    name: str, pipeline: FacePipeline, people: Sequence[Sequence[Path]], most: int | None
) -> list[Row]:
    """The second photo of each person, turned; the first photos of all are the gallery."""
    gallery = np.array([_template(pipeline, photos[0].read_bytes()) for photos in people])
    probes = [(index, photos[1]) for index, photos in enumerate(people) if len(photos) > 1][:most]
    rows = []
    for degrees in (0, *TURNS):
        found = 0
        for index, path in probes:
            picture = _read(path)
            turned = cv2.rotate(picture, TURNS[degrees]) if degrees else picture
            found += int((gallery @ _template(pipeline, _encoded(turned))).argmax()) == index
        words = f"{name}: found again, turned by {degrees}" if degrees else f"{name}: found again, upright"
        note = f"{len(probes)} photos, {len(people)} people"
        rows.append(
            Row(words, found / len(probes), "of photos", target="≥ 0.97" if degrees else "", note=note)
        )
    return rows


def _pages(name: str, pipeline: FacePipeline, people: Sequence[Sequence[Path]], count: int) -> list[Row]:
    rows = []
    kinds: dict[str, Callable[[random.Random, Picture, Picture], tuple[Picture, Box]]] = {
        "ID pages": _id_page,
        "forms": _form,
        "subjects at the edge": _at_the_edge,
        "subjects with a bystander": _with_a_bystander,
    }
    for words, compose in kinds.items():
        chance, right, unclear = random.Random(words), 0, 0
        for _ in range(count):
            subject, other = (_read(photos[0]) for photos in chance.sample(people, 2))
            page, box = compose(chance, subject, other)
            analysis = _analysed(pipeline, _encoded(page))
            if analysis.main is None:
                continue
            left, top, right_edge, bottom = analysis.faces[analysis.main].box
            x, y = (left + right_edge) / 2, (top + bottom) / 2
            right += box[0] < x < box[2] and box[1] < y < box[3]
            unclear += analysis.is_unclear
        note = f"{count} pages, {unclear} marked for a look"
        rows.append(
            Row(f"{name}: right face, {words}", right / count, "of pages", target="≥ 0.99", note=note)
        )
    return rows


def _id_page(chance: random.Random, subject: Picture, other: Picture) -> tuple[Picture, Box]:
    """A large portrait at one side, and a small face near the middle."""
    width, height = chance.choice([(1250, 880), (1600, 1100), (900, 600)])
    page = np.full((height, width, 3), chance.randint(200, 255), np.uint8)
    side = int(width * chance.uniform(0.22, 0.34))
    x = chance.choice([chance.randint(0, width // 12), width - side - chance.randint(1, width // 12)])
    box = _put(page, _portrait(subject), x, chance.randint(0, height - side * 5 // 4 - 1), side)
    small = int(side * chance.uniform(0.25, 0.5))
    beside = box[2] + 5 if x < width / 2 else box[0] - small - 5
    middle = (width - small) // 2 + chance.randint(-width // 10, width // 10)
    free = middle > box[2] or middle + small < box[0]
    _put(page, _portrait(other), middle if free else beside, height // 2 - small // 2, small)
    return page, box


def _form(chance: random.Random, subject: Picture, other: Picture) -> tuple[Picture, Box]:
    """A sheet with lines of writing, a photo in one corner, and on half of them a small one further down."""
    width, height = 1240, 1754
    page = np.full((height, width, 3), 255, np.uint8)
    for line in range(30):
        cv2.putText(page, f"Name ........ {line}", (60, 200 + line * 45), 0, 1, (0, 0, 0), 2)
    side = int(width * chance.uniform(0.14, 0.2))
    x, y = chance.choice([60, width - side - 60]), chance.choice([60, height - side * 5 // 4 - 80])
    box = _put(page, _portrait(subject), x, y, side)
    if chance.random() < 0.5:
        small = int(side * chance.uniform(0.25, 0.55))
        _put(page, _portrait(other), (width - small) // 2, height // 2 + chance.randint(-300, 300), small)
    return page, box


def _at_the_edge(chance: random.Random, subject: Picture, other: Picture) -> tuple[Picture, Box]:
    """A subject in a lower corner, and someone far away in the middle."""
    width, height = 1200, 800
    page = np.full((height, width, 3), 120, np.uint8)
    side = int(width * chance.uniform(0.3, 0.42))
    box = _put(page, subject, chance.choice([0, width - side]), height - side, side)
    small = int(side * chance.uniform(0.24, 0.5))
    away = 100 if box[0] == 0 else -100
    _put(page, other, (width - small) // 2 + away, (height - small) // 2, small)
    return page, box


def _with_a_bystander(chance: random.Random, subject: Picture, other: Picture) -> tuple[Picture, Box]:
    """A subject in the middle, and someone a little smaller at one side."""
    width, height = 1000, 750
    page = np.full((height, width, 3), 120, np.uint8)
    side = int(width * chance.uniform(0.3, 0.45))
    box = _put(page, subject, (width - side) // 2 + chance.randint(-60, 60), height - side, side)
    is_left = chance.random() < 0.5
    small = min(int(side * chance.uniform(0.4, 0.85)), box[0] if is_left else width - box[2])
    _put(page, other, 0 if is_left else width - small, height - small - chance.randint(0, 200), small)
    return page, box


def _put(page: Picture, photo: Picture, x: int, y: int, width: int) -> Box:
    """Draw a photo so wide on a page; returns where it is."""
    height = round(width * photo.shape[0] / photo.shape[1])
    how = cv2.INTER_AREA if width < photo.shape[1] else cv2.INTER_CUBIC
    page[y : y + height, x : x + width] = cv2.resize(photo, (width, height), interpolation=how)
    return x, y, x + width, y + height


def _portrait(photo: Picture) -> Picture:
    """Head and shoulders of a photo of LFW."""
    return photo[25:225, 45:205]


def _read(path: Path) -> Picture:
    picture = cv2.imread(str(path))
    if picture is None:
        raise ValueError(f"{path} is no photo.")
    return np.asarray(picture, np.uint8)


def _encoded(picture: NDArray[np.uint8] | cv2.typing.MatLike) -> bytes:
    return cv2.imencode(".jpg", picture, [cv2.IMWRITE_JPEG_QUALITY, 95])[1].tobytes()


def _analysed(pipeline: FacePipeline, photo: bytes) -> PhotoAnalysis:
    (analysis,) = pipeline.analyse([photo])
    if not isinstance(analysis, PhotoAnalysis):
        raise analysis
    return analysis


def _template(pipeline: FacePipeline, photo: bytes) -> NDArray[np.float32]:
    """The template of the main face; without a face zeros, which are like nobody."""
    analysis = _analysed(pipeline, photo)
    template = None if analysis.main is None else analysis.faces[analysis.main].template
    return np.zeros(pipeline.engine.dimension, np.float32) if template is None else template


def main() -> None:
    given = arguments.parse(__doc__ or "")
    show(run(given.models, given.faces, given.model, given.photos))


if __name__ == "__main__":
    main()
