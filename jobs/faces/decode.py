"""Photo bytes to upright pixels: formats by content, limits from the header, large photos reduced."""

from __future__ import annotations

import io
import struct
import warnings
import zlib
from dataclasses import dataclass

import cv2
import numpy as np
import pillow_heif
from numpy.typing import NDArray
from PIL import ExifTags, Image

from portal.photos.formats import MediaFormat, format_of
from portal.photos.reasons import MAX_PHOTO_PIXELS, Reason
from portal.storage import HEAD_BYTES

Pixels = NDArray[np.uint8]

pillow_heif.register_heif_opener()
# A worker has one thread, and there are several of them.
pillow_heif.options.DECODE_THREADS = 1
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
)

# How stored pixels become upright ones, by the EXIF orientation (CIPA DC-008, tag 274): transpose, then
# flip the rows, then the columns.
_UPRIGHT: dict[int, tuple[bool, bool, bool]] = {
    1: (False, False, False),
    2: (False, False, True),
    3: (False, True, True),
    4: (False, True, False),
    5: (True, False, False),
    6: (True, False, True),
    7: (True, True, True),
    8: (True, True, False),
}
# A progressive JPEG has about ten scans, and each is decoded over the whole picture: hundreds are an attack.
_START_OF_SCAN = b"\xff\xda"
_MOST_SCANS = 100

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

    @property
    def scale(self) -> tuple[float, float]:
        """Pixels of `pixels` for one of the original: in x, in y."""
        return self.pixels.shape[1] / self.width, self.pixels.shape[0] / self.height

    def enlarge(self, factor: float) -> None:
        """Decode again so that `pixels` has at least `factor` times its present sides, or all there is."""
        if self.can_be_larger:
            side = factor * max(self.pixels.shape[:2])
            self.pixels, self.can_be_larger = _read_jpeg(self, side)


def decode(data: bytes) -> Photo:
    """Decode a JPEG, PNG, WebP or HEIC photo.

    Large JPEGs come reduced by 2, 4 or 8 while their longest side keeps WORKING_SIDE pixels. Transparent
    parts become white. Raises UnusablePhoto.
    """
    media_format = _format_of(data)
    kinds: list[str] = ["HEIF" if media_format == "HEIC" else media_format]
    width = height = None
    try:
        # Pillow warns on the console about odd metadata that does not matter to the picture.
        with warnings.catch_warnings(action="ignore"), Image.open(io.BytesIO(data), formats=kinds) as image:
            # Before anything else is read: Pillow looks for a PNG's EXIF behind its pixels.
            if image.width * image.height > MAX_PHOTO_PIXELS:
                raise UnusablePhoto(Reason.TOO_MANY_PIXELS, media_format, *image.size)
            if media_format == "JPEG" and data.count(_START_OF_SCAN) > _MOST_SCANS:
                raise UnusablePhoto(Reason.UNSUPPORTED_FORMAT, media_format, *image.size)
            orientation = _orientation(image)
            turned = _UPRIGHT[orientation][0]
            width, height = image.size[::-1] if turned else image.size
            photo = Photo(
                data=data,
                media_format=media_format,
                width=width,
                height=height,
                orientation=orientation,
                pixels=np.empty((0, 0, 3), np.uint8),
                can_be_larger=False,
            )
            if media_format == "JPEG" and image.mode in {"RGB", "L"}:
                photo.pixels, photo.can_be_larger = _read_jpeg(photo, WORKING_SIDE)
            else:
                photo.pixels = _read_other(image, orientation)
            return photo
    except _BROKEN as error:
        raise UnusablePhoto(Reason.DAMAGED, media_format, width, height) from error


def heic_as_jpeg(data: bytes) -> bytes:
    """A HEIC photo that `decode` takes, as an upright JPEG of all its pixels.

    Its colour profile comes along, and no other metadata. Raises UnusablePhoto.
    """
    try:
        with (
            warnings.catch_warnings(action="ignore"),
            Image.open(io.BytesIO(data), formats=["HEIF"]) as image,
        ):
            pixels = _read_other(image, _orientation(image))
            profile = image.info.get("icc_profile") if image.mode.startswith("RGB") else None
    except _BROKEN as error:
        raise UnusablePhoto(Reason.DAMAGED, "HEIC") from error
    jpeg = io.BytesIO()
    whole = Image.fromarray(cv2.cvtColor(pixels, cv2.COLOR_BGR2RGB))
    whole.save(jpeg, "JPEG", quality=_JPEG_QUALITY, icc_profile=profile)
    return jpeg.getvalue()


def _format_of(data: bytes) -> MediaFormat:
    found = format_of(data[:HEAD_BYTES])
    if isinstance(found, Reason):
        raise UnusablePhoto(found)
    return found


def _orientation(image: Image.Image) -> int:
    """1…8; 1 where the metadata says nothing that makes sense: the picture itself may be fine."""
    try:
        value = image.getexif().get(ExifTags.Base.Orientation, 1)
    except _BROKEN:
        return 1
    return value if value in _UPRIGHT else 1


def _read_jpeg(photo: Photo, side: float) -> tuple[Pixels, bool]:
    """Upright pixels whose longest side has `side` pixels or more, and whether there are more to have."""
    longest = max(photo.width, photo.height)
    factor = next(factor for factor in (8, 4, 2, 1) if longest / factor >= side or factor == 1)
    stored = cv2.imdecode(
        np.frombuffer(photo.data, np.uint8), _REDUCED[factor] | cv2.IMREAD_IGNORE_ORIENTATION
    )
    if stored is None:
        raise ValueError("the JPEG breaks off or can't be decoded")
    return _upright(_addressable(np.asarray(stored, np.uint8)), photo.orientation), factor > 1


def _read_other(image: Image.Image, orientation: int) -> Pixels:
    """Upright BGR pixels of anything that Pillow opened."""
    if image.mode.startswith("I"):
        # Grey with sixteen bits a pixel: 65,535 is white, as 255 is (257 times as much).
        grey = np.clip(np.round(np.asarray(image) / 257), 0, 255).astype(np.uint8)
        pixels = cv2.cvtColor(grey, cv2.COLOR_GRAY2BGR)
    else:
        if image.has_transparency_data:
            drawn = image.convert("RGBA")
            image = Image.new("RGBA", drawn.size, "white")
            image.alpha_composite(drawn)
        pixels = cv2.cvtColor(np.asarray(image.convert("RGB")), cv2.COLOR_RGB2BGR)
    return _upright(_addressable(np.asarray(pixels, np.uint8)), orientation)


def _addressable(pixels: Pixels) -> Pixels:
    height, width = pixels.shape[:2]
    scale = _LONGEST_SIDE / max(height, width)
    if scale >= 1:
        return pixels
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    return cv2.resize(pixels, size, interpolation=cv2.INTER_AREA)  # type: ignore[return-value]


def _upright(pixels: Pixels, orientation: int) -> Pixels:
    transpose, flip_rows, flip_columns = _UPRIGHT[orientation]
    if transpose:
        pixels = pixels.transpose(1, 0, 2)
    if flip_rows:
        pixels = pixels[::-1]
    if flip_columns:
        pixels = pixels[:, ::-1]
    return np.ascontiguousarray(pixels)
