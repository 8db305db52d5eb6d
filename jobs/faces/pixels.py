"""Pixels of photos of every format but JPEGs of three channels: eight bits, white behind them, sRGB.

What is larger than MOST_PIXELS is reduced: no photo that is taken needs more than about a gigabyte of memory,
or one and a half with sixteen bits a colour.
"""

from __future__ import annotations

import math

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image, Jpeg2KImagePlugin, TiffImagePlugin

from jobs.faces.colours import Pixels, as_ink, colours_of
from jobs.faces.headers import jpeg2000_levels

# What is decoded of a photo at most: all of what telephones of 50 megapixels take.
MOST_PIXELS = 64_000_000
# OpenJPEG needs four bytes a sample, and Pillow's picture beside them.
MOST_JPEG2000_PIXELS = MOST_PIXELS // 2

# PNG (W3C, 3rd edition, 11.2.1): the bits of a sample, and the colour type, in the first chunk.
_PNG_BITS, _PNG_COLOUR_TYPE = 24, 25
_PNG_GREY = 0
_TIFF_BITS = 258
# How many bits cameras and scanners measure with; the values lie in sixteen bits, often unscaled.
_BITS = (8, 10, 12, 14, 16)


class UnusablePixels(Exception):
    """Values that are no colours, or far too many of them to be decoded in parts."""


def read(image: Image.Image, data: bytes, *, in_srgb: bool) -> Pixels:
    """BGR pixels of an opened photo, as they are stored (not turned). `data` is the same photo.

    in_srgb: whether colours of an RGB profile become those of sRGB; those of others always do.

    Raises UnusablePixels, and what OpenCV, Pillow and its plugins raise for a broken file.
    """
    profile = image.info.get("icc_profile")
    if image.format == "WEBP" or _has_deep_colours(image, data):
        # OpenCV needs a third of the memory that Pillow does for WebP, and keeps the sixteen bits of colours.
        pixels = _read_by_opencv(data)
    else:
        image = _bounded(image, data)
        if image.mode == "CMYK":
            if image.format == "JPEG" and "adobe" not in image.info:
                image = as_ink(image)
            if inks := colours_of(profile, "CMYK"):
                image, profile = inks.convert_inks(image), None
        pixels = _in_bgr(image)
    grey = image.mode in {"1", "L", "LA"}
    if (grey or in_srgb) and (colours := colours_of(profile, "L" if grey else "RGB")):
        pixels = colours.convert(pixels)
    return pixels


def _has_deep_colours(image: Image.Image, data: bytes) -> bool:
    if isinstance(image, TiffImagePlugin.TiffImageFile):
        return image.mode in {"RGB", "RGBA"} and 16 in image.tag_v2.get(_TIFF_BITS, ())
    return image.format == "PNG" and data[_PNG_BITS] == 16 and data[_PNG_COLOUR_TYPE] != _PNG_GREY


def _read_by_opencv(data: bytes) -> Pixels:
    """BGR pixels of a PNG or WebP photo, or of a TIFF, which OpenCV turns upright as Pillow does."""
    stored = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED)
    if stored is None:
        raise ValueError("the photo breaks off or can't be decoded")
    factor = _factor(stored.shape[1] * stored.shape[0], MOST_PIXELS)
    if factor > 1:
        size = (-(-stored.shape[1] // factor), -(-stored.shape[0] // factor))
        stored = cv2.resize(stored, size, interpolation=cv2.INTER_AREA)
    channels = stored.shape[2] if stored.ndim == 3 else 1
    alpha = stored[..., 3] if channels == 4 else None
    eight = _eight_bits(stored[..., :3]) if stored.dtype == np.uint16 else np.asarray(stored, np.uint8)
    if channels == 1:
        return np.asarray(cv2.cvtColor(eight, cv2.COLOR_GRAY2BGR), np.uint8)
    if alpha is None:
        return eight
    return _on_white(eight[..., :3], alpha)


def _on_white(pixels: Pixels, alpha: NDArray[np.generic]) -> Pixels:
    """The pixels on white, as far as they are transparent; row by row, for the sake of memory."""
    opaque_at = 65535 if alpha.dtype == np.uint16 else 255
    drawn = np.empty(pixels.shape, np.uint8)
    for row in range(len(pixels)):
        opaque = np.asarray(alpha[row], np.float32).reshape(-1, 1) / opaque_at
        drawn[row] = np.round(pixels[row] * opaque + 255 * (1 - opaque))
    return drawn


def _factor(pixels: int, most: int) -> int:
    """By how much the sides of so many pixels are divided for `most` to be left at most."""
    return max(1, math.ceil(math.sqrt(pixels / most)))


def _bounded(image: Image.Image, data: bytes) -> Image.Image:
    """The picture, decoded, at most MOST_PIXELS of it. Turned upright already if it is a TIFF."""
    many = image.width * image.height
    factor = _factor(many, MOST_PIXELS)
    if image.format == "JPEG":
        image.draft(None, (image.width // factor, image.height // factor))
    elif isinstance(image, Jpeg2KImagePlugin.Jpeg2KImageFile):
        halvings = math.ceil(math.log2(_factor(many, MOST_JPEG2000_PIXELS)))
        if halvings > jpeg2000_levels(data, image.size):
            raise UnusablePixels
        image.reduce = halvings
    image.load()
    factor = _factor(image.width * image.height, MOST_PIXELS)
    if factor == 1:
        return image
    name, info = image.format, image.info
    if image.mode in {"P", "PA", "1"}:
        image = image.convert("L" if image.mode == "1" else "RGBA" if image.has_transparency_data else "RGB")
    elif image.mode.startswith("I"):
        image = Image.fromarray(_eight_bits(np.asarray(image)))
    small = Image.Image.reduce(image, factor)
    small.format, small.info = name, info
    return small


def _in_bgr(image: Image.Image) -> Pixels:
    if image.mode == "F":
        raise UnusablePixels
    if image.mode.startswith("I"):
        return np.asarray(cv2.cvtColor(_eight_bits(np.asarray(image)), cv2.COLOR_GRAY2BGR), np.uint8)
    if image.has_transparency_data:
        drawn = image.convert("RGBA")
        # Some programs leave the fourth byte of each point empty: nothing would be seen of the picture.
        if drawn.getchannel("A").getextrema() != (0, 0):
            image = Image.new("RGBA", drawn.size, "white")
            image.alpha_composite(drawn)
    if image.mode != "RGB":
        image = image.convert("RGB")
    return np.asarray(cv2.cvtColor(np.asarray(image), cv2.COLOR_RGB2BGR), np.uint8)


def _eight_bits(values: NDArray[np.generic]) -> Pixels:
    """Values of sixteen bits in eight: white is the highest value of the fewest bits that they need."""
    highest = int(values.max())
    white = next((2**bits - 1 for bits in _BITS if highest < 2**bits), 65535)
    if values.dtype != np.uint16:
        values = np.clip(values.astype(np.int64), 0, 65535).astype(np.uint16)
    return np.asarray(cv2.convertScaleAbs(np.asarray(values, np.uint16), alpha=255 / white), np.uint8)
