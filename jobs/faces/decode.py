"""Photo bytes to upright pixels: formats by content, limits from the header, large photos reduced."""

from __future__ import annotations

import io
import math
import struct
import warnings
import zlib
from dataclasses import dataclass, replace

import cv2
import numpy as np
import pillow_heif
from PIL import AvifImagePlugin, ExifTags, Image, UnidentifiedImageError

from jobs.faces import pixels as other_pixels
from jobs.faces.colours import Colours, Pixels, colours_of
from jobs.faces.headers import END_MARKER, has_end, jpeg_reason, tiff_reason
from jobs.faces.turning import TURN, UPRIGHT, turned
from portal.photos import metadata
from portal.photos.formats import MediaFormat, format_of
from portal.photos.orientation import orientation_of
from portal.photos.parts import UnreadableContainer
from portal.photos.reasons import MAX_PHOTO_PIXELS, Reason
from portal.storage import HEAD_BYTES

pillow_heif.register_heif_opener()
# A worker has one thread, and there are several of them.
pillow_heif.options.DECODE_THREADS = 1
AvifImagePlugin.DEFAULT_MAX_THREADS = 1
# The portal's own limit is checked from the header, with a reason for the staff.
Image.MAX_IMAGE_PIXELS = None

# A reduced photo still has the pixels of its preview, and more than the detector takes.
WORKING_SIDE = 1024
# cv2.warpAffine addresses pixels by 16 bits.
_LONGEST_SIDE = 16_384
# Of a photo that is kept for its own sake: nobody sees a difference from the original.
_JPEG_QUALITY = 92

# What Pillow and its plugins raise for a file that breaks off or contradicts itself.
_BROKEN = (
    OSError,
    SyntaxError,
    ValueError,
    EOFError,
    RuntimeError,
    IndexError,
    KeyError,
    TypeError,
    OverflowError,
    struct.error,
    zlib.error,
    MemoryError,
    cv2.error,
    UnreadableContainer,
)

# What is put behind a JPEG that has no end marker, to see whether its picture is whole.
_FILLINGS = (bytes(64), b"\xaa" * 64)
_MOST_ZEROS = 4

_REDUCED = {1: cv2.IMREAD_COLOR, 2: cv2.IMREAD_REDUCED_COLOR_2, 4: cv2.IMREAD_REDUCED_COLOR_4}
_REDUCED[8] = cv2.IMREAD_REDUCED_COLOR_8


class UnusablePhoto(Exception):
    """A photo that can't be used, and why. Format and size are there when the header gave them."""

    def __init__(
        self,
        reason: Reason,
        media_format: str | None = None,
        width: int | None = None,
        height: int | None = None,
    ) -> None:
        super().__init__(reason.value)
        self.reason = reason
        self.media_format = media_format
        self.width = width
        self.height = height


@dataclass
class Photo:
    """A decoded photo. Sizes and coordinates are those of the upright photo."""

    data: bytes
    media_format: MediaFormat
    # Of the original, in pixels.
    width: int
    height: int
    orientation: int
    # BGR, (height, width, 3), upright; perhaps smaller than the original.
    pixels: Pixels
    # Whether a JPEG of three channels, which is decoded reduced, gave these pixels.
    can_be_larger: bool
    # The ICC profile of RGB pixels, where there is one.
    profile: bytes | None = None
    # How its colours become those of sRGB, if they are others and are to.
    colours: Colours | None = None
    # Whether the file has inks (CMYK), of which each browser makes other colours.
    in_inks: bool = False
    # Whether the end of the file is missing, and nothing of the picture.
    lacks_end: bool = False
    # Degrees by which the portal turned it clockwise, beyond what its metadata says: `orientation` has both.
    turned_by: int = 0

    @property
    def can_be_handed_out(self) -> bool:
        """Whether the file itself, without its metadata, goes to browsers and to staff."""
        return self.media_format in metadata.FORMATS and not self.lacks_end and not self.turned_by

    @property
    def scale(self) -> tuple[float, float]:
        """Pixels of `pixels` for one of the original: in x, in y."""
        return self.pixels.shape[1] / self.width, self.pixels.shape[0] / self.height

    def turned(self, degrees: int) -> Photo:
        """The same photo, turned clockwise by 90, 180 or 270 degrees."""
        sides = (self.width, self.height) if degrees == 180 else (self.height, self.width)
        return replace(
            self,
            width=sides[0],
            height=sides[1],
            orientation=turned(self.orientation, degrees),
            turned_by=(self.turned_by + degrees) % 360,
            pixels=_upright(self.pixels, TURN[degrees]),
        )

    def enlarge(self, factor: float) -> None:
        """Decode again so that `pixels` has at least `factor` times its present sides, or all there is."""
        if self.can_be_larger:
            side = factor * max(self.pixels.shape[:2])
            self.pixels, self.can_be_larger = _read_jpeg(self, side)


def decode(data: bytes, turned_by: int = 0, *, in_srgb: bool = True) -> Photo:
    """Decode a photo of any MediaFormat; of several pictures in a file the one that it says, or the first.

    Large JPEGs come reduced by 2, 4 or 8 while their longest side keeps WORKING_SIDE pixels, and nothing has
    more than other_pixels.MOST_PIXELS. Transparent parts become white, and colours those of sRGB; without
    `in_srgb` those of an RGB profile stay as they are. turned_by: degrees (0, 90, 180, 270) by which it is
    turned clockwise, beyond its metadata. Raises UnusablePhoto.
    """
    media_format = _format_of(data)
    width = height = None
    try:
        if media_format == "TIFF" and (reason := tiff_reason(data)):
            raise UnusablePhoto(reason, media_format)
        # Pillow warns on the console about odd metadata that does not matter to the picture.
        with warnings.catch_warnings(action="ignore"), _opened(data, media_format) as image:
            # Before anything else is read: Pillow looks for a PNG's EXIF behind its pixels.
            if reason := _reason_against(image, data, media_format):
                raise UnusablePhoto(reason, media_format, *image.size)
            if media_format == "JPEG" and not has_end(data):
                whole = decode(_with_end(data, image.size), turned_by, in_srgb=in_srgb)
                return replace(whole, lacks_end=True)
            orientation = _orientation(image, data, media_format)
            width, height = image.size[::-1] if UPRIGHT[orientation][0] else image.size
            photo = Photo(
                data=data,
                media_format=media_format,
                width=width,
                height=height,
                orientation=orientation,
                pixels=np.empty((0, 0, 3), np.uint8),
                can_be_larger=False,
                profile=image.info.get("icc_profile") if image.mode.startswith("RGB") else None,
                in_inks=image.mode == "CMYK",
            )
            keeps_colours = photo.profile is not None and not in_srgb
            if media_format == "JPEG" and image.mode in {"RGB", "L"}:
                if not keeps_colours:
                    photo.colours = colours_of(image.info.get("icc_profile"), image.mode)
                photo.pixels, photo.can_be_larger = _read_jpeg(photo, WORKING_SIDE)
            else:
                stored = other_pixels.read(image, data, in_srgb=not keeps_colours)
                photo.pixels = _upright(_addressable(stored), orientation)
            return photo.turned(turned_by) if turned_by else photo
    except other_pixels.UnusablePixels as error:
        raise UnusablePhoto(Reason.UNSUPPORTED_FORMAT, media_format, width, height) from error
    except _BROKEN as error:
        raise UnusablePhoto(Reason.DAMAGED, media_format, width, height) from error


def as_jpeg(data: bytes, turned_by: int = 0) -> bytes:
    """A photo that `decode` takes, as an upright JPEG of all its pixels, or of as many as are decoded.

    turned_by: as for `decode`. Its colour profile comes along, and no other metadata. Raises UnusablePhoto.
    """
    photo = decode(data, turned_by, in_srgb=False)
    photo.enlarge(math.inf)
    jpeg = io.BytesIO()
    whole = Image.fromarray(cv2.cvtColor(photo.pixels, cv2.COLOR_BGR2RGB))
    whole.save(jpeg, "JPEG", quality=_JPEG_QUALITY, icc_profile=photo.profile)
    return jpeg.getvalue()


def _format_of(data: bytes) -> MediaFormat:
    found = format_of(data[:HEAD_BYTES])
    if isinstance(found, Reason):
        raise UnusablePhoto(found)
    return found


def _opened(data: bytes, media_format: MediaFormat) -> Image.Image:
    if media_format == "HEIC":
        # Pillow asks the plug-in by the first brand only, and many are possible.
        return pillow_heif.HeifImageFile(io.BytesIO(data))  # type: ignore[no-untyped-call]
    try:
        return Image.open(io.BytesIO(data), formats=[media_format])
    except UnidentifiedImageError as error:
        if media_format == "TIFF":  # its directory was read: it is the pixels that Pillow does not know
            raise other_pixels.UnusablePixels from error
        raise


def _reason_against(image: Image.Image, data: bytes, media_format: MediaFormat) -> Reason | None:
    """Why a photo can't be used, as far as is seen before it is decoded."""
    if image.width * image.height > MAX_PHOTO_PIXELS:
        return Reason.TOO_MANY_PIXELS
    return jpeg_reason(data) if media_format == "JPEG" else None


def _orientation(image: Image.Image, data: bytes, media_format: MediaFormat) -> int:
    """1…8; 1 where the metadata says nothing that makes sense: the picture itself may be fine."""
    if media_format in metadata.FORMATS:
        return orientation_of(data, media_format)
    # Pillow turns TIFFs by itself, and knows of no orientation in the others.
    if media_format not in {"HEIC", "AVIF"}:
        return 1
    try:
        value = image.getexif().get(ExifTags.Base.Orientation, 1)
    except _BROKEN:
        return 1
    return value if value in UPRIGHT else 1


def _read_jpeg(photo: Photo, side: float) -> tuple[Pixels, bool]:
    """Upright pixels whose longest side has `side` pixels or more, and whether there are more to have."""
    longest = max(photo.width, photo.height)
    least = _least_factor(photo.width * photo.height)
    factor = next(factor for factor in (8, 4, 2, 1) if longest / factor >= side or factor == least)
    stored = _decoded_jpeg(photo.data, factor)
    if stored is None:
        raise ValueError("the JPEG breaks off or can't be decoded")
    pixels = _addressable(stored)
    if photo.colours is not None:
        pixels = photo.colours.convert(pixels)
    return _upright(pixels, photo.orientation), factor > least


def _least_factor(many: int) -> int:
    """By how much a JPEG of so many pixels is reduced at least."""
    return next(factor for factor in (1, 2, 4, 8) if many <= other_pixels.MOST_PIXELS * factor**2)


def _decoded_jpeg(data: bytes, factor: int) -> Pixels | None:
    stored = cv2.imdecode(np.frombuffer(data, np.uint8), _REDUCED[factor] | cv2.IMREAD_IGNORE_ORIENTATION)
    return None if stored is None else np.asarray(stored, np.uint8)


def _with_end(data: bytes, size: tuple[int, int]) -> bytes:
    """A JPEG of this size in pixels, with the end marker that it lacks. Raises ValueError if it lacks more.

    Where codes of the picture are missing, others behind them change it.
    """
    codes = data.rstrip(b"\0")
    if len(codes) < len(data):
        # A few zeros may be codes of the picture; more of them fill up what never arrived.
        codes = data[: len(codes) + _MOST_ZEROS]
    elif codes.endswith(END_MARKER[:1]):
        codes = codes[:-1]
    factor = _least_factor(math.prod(size))
    one, other = (_decoded_jpeg(codes + filling + END_MARKER, factor) for filling in _FILLINGS)
    if one is None or other is None or not np.array_equal(one, other):
        raise ValueError("the JPEG breaks off")
    return codes + END_MARKER


def _addressable(pixels: Pixels) -> Pixels:
    height, width = pixels.shape[:2]
    scale = _LONGEST_SIDE / max(height, width)
    if scale >= 1:
        return pixels
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    return cv2.resize(pixels, size, interpolation=cv2.INTER_AREA)  # type: ignore[return-value]


def _upright(pixels: Pixels, orientation: int) -> Pixels:
    transpose, flip_rows, flip_columns = UPRIGHT[orientation]
    if transpose:
        pixels = pixels.transpose(1, 0, 2)
    if flip_rows:
        pixels = pixels[::-1]
    if flip_columns:
        pixels = pixels[:, ::-1]
    return np.ascontiguousarray(pixels)
