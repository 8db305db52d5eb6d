"""Colours as sRGB has them, which is what face models and browsers take pixels for."""

from __future__ import annotations

import io
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageChops, ImageCms

Pixels = NDArray[np.uint8]
Mode = Literal["RGB", "L", "CMYK"]

# The colour space of a profile (ICC.1:2022, table 19) for each kind of pixel.
_SPACES: dict[str, Mode] = {"RGB ": "RGB", "GRAY": "L", "CMYK": "CMYK"}
# A profile of which no colour comes out further off than this is sRGB by another name.
_SAME_COLOUR = 3
# Pictures are converted in parts: no second copy of a large one is needed.
_ROWS_PIXELS = 1_000_000
# Values of an ink that count as none and as all, after what JPEG does to them.
_NO_INK, _FULL_INK = 8, 247


@dataclass(frozen=True)
class Colours:
    """From the colours of a profile to sRGB."""

    mode: Mode
    transform: ImageCms.ImageCmsTransform

    def convert(self, pixels: Pixels) -> Pixels:
        """The same BGR pixels in sRGB; written over, where that can be. Of mode RGB or L."""
        rows = max(1, _ROWS_PIXELS // pixels.shape[1])
        for top in range(0, len(pixels), rows):
            part = pixels[top : top + rows]
            found = part[..., 0] if self.mode == "L" else cv2.cvtColor(part, cv2.COLOR_BGR2RGB)
            image = ImageCms.applyTransform(Image.fromarray(found), self.transform)
            assert image is not None
            part[:] = cv2.cvtColor(np.asarray(image), cv2.COLOR_RGB2BGR)
        return pixels

    def convert_inks(self, image: Image.Image) -> Image.Image:
        """A CMYK picture in sRGB."""
        converted = ImageCms.applyTransform(image, self.transform)
        assert converted is not None
        return converted


@lru_cache(maxsize=8)
def colours_of(profile: bytes | None, mode: str) -> Colours | None:
    """How pixels of a mode (RGB, L, CMYK) with this ICC profile become sRGB.

    None where there is nothing to do: no profile, sRGB, one for another kind of pixels, or a broken one: the
    picture itself may be fine.
    """
    if not profile:
        return None
    try:
        opened = ImageCms.ImageCmsProfile(io.BytesIO(profile))
        meant = _SPACES.get(opened.profile.xcolor_space)
        if meant is None or meant != mode:
            return None
        transform = ImageCms.buildTransform(
            opened,
            ImageCms.createProfile("sRGB"),
            meant,
            "RGB",
            ImageCms.Intent.RELATIVE_COLORIMETRIC,
            ImageCms.Flags.BLACKPOINTCOMPENSATION,
        )
    except (ImageCms.PyCMSError, OSError, ValueError):
        return None
    colours = Colours(meant, transform)
    if meant == "CMYK":
        return colours
    steps = np.arange(0, 256, 15, dtype=np.uint8)
    grid = (steps,) * 3 if meant == "RGB" else (steps,)
    cube = np.stack(np.meshgrid(*grid), axis=-1).reshape(-1, 1, len(grid)).repeat(3 // len(grid), axis=2)
    changed = np.abs(colours.convert(cube.copy()).astype(int) - cube).max() > _SAME_COLOUR
    return colours if changed else None


def as_ink(image: Image.Image) -> Image.Image:
    """A CMYK JPEG without Adobe's marker, 0 for no ink: Pillow takes its values for inverted, as Adobe's are.

    Nothing in the file says which they are. In a picture of something, points at which one of the inks is
    missing are common, and points at which one of them covers all are rare.
    """
    values = np.asarray(image)
    without = np.count_nonzero(values.min(axis=2) <= _NO_INK)
    full = np.count_nonzero(values.max(axis=2) >= _FULL_INK)
    return ImageChops.invert(image) if full > without else image
