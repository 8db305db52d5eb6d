"""Photos for tests that are always there: made on the spot, or carried by the dependencies."""

from __future__ import annotations

import importlib.util
import io
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image


def picture(number: int = 0, kind: str = "JPEG", size: tuple[int, int] = (64, 48), **options: Any) -> bytes:
    """A picture without a face, another one for each number."""
    blocks = np.random.default_rng(number).integers(0, 256, (6, 8, 3), np.uint8)
    file = io.BytesIO()
    Image.fromarray(blocks).resize(size, Image.Resampling.NEAREST).save(file, kind, **options)
    return file.getvalue()


def six_people() -> bytes:
    """A JPEG of 1280 by 886 pixels with six faces."""
    spec = importlib.util.find_spec("insightface")
    assert spec is not None
    assert spec.submodule_search_locations is not None
    return (Path(spec.submodule_search_locations[0]) / "data/images/t1.jpg").read_bytes()


def mate(lfw: Path, name: str, number: int = 1) -> bytes:
    """A photo of a person of LFW."""
    return (lfw / name / f"{name}_{number:04}.jpg").read_bytes()


def side_by_side(*photos: bytes) -> bytes:
    """Several photos in one, from left to right."""
    pictures = [Image.open(io.BytesIO(photo)).convert("RGB") for photo in photos]
    whole = Image.new("RGB", (sum(one.width for one in pictures), max(one.height for one in pictures)))
    left = 0
    for one in pictures:
        whole.paste(one, (left, 0))
        left += one.width
    content = io.BytesIO()
    whole.save(content, "JPEG", quality=95)
    return content.getvalue()
