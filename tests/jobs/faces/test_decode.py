"""Photo bytes to upright pixels: every format that is taken, and every way to be no good."""

from __future__ import annotations

import io
import struct
import zlib

import numpy as np
import pillow_heif
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from PIL import Image

from jobs.faces.decode import UnusablePhoto, decode
from portal.photos.reasons import Reason

# Red, green, blue and white quarters: which way is up is plain.
QUARTERS = {"top left": (220, 30, 30), "top right": (30, 160, 30), "bottom left": (30, 30, 220)}
WIDTH, HEIGHT = 96, 64


def picture() -> Image.Image:
    image = Image.new("RGB", (WIDTH, HEIGHT), "white")
    image.paste(QUARTERS["top left"], (0, 0, WIDTH // 2, HEIGHT // 2))
    image.paste(QUARTERS["top right"], (WIDTH // 2, 0, WIDTH, HEIGHT // 2))
    image.paste(QUARTERS["bottom left"], (0, HEIGHT // 2, WIDTH // 2, HEIGHT))
    return image


def saved(image: Image.Image, kind: str, **options: object) -> bytes:
    file = io.BytesIO()
    image.save(file, kind, **options)
    return file.getvalue()


def assert_upright(pixels: NDArray[np.uint8]) -> None:
    height, width = pixels.shape[:2]
    for place, colour in QUARTERS.items():
        row = height // 4 if "top" in place else height * 3 // 4
        column = width // 4 if "left" in place else width * 3 // 4
        assert np.abs(pixels[row, column, ::-1].astype(int) - colour).max() < 25, place


def reason_of(data: bytes) -> Reason:
    with pytest.raises(UnusablePhoto) as caught:
        decode(data)
    return caught.value.reason


@pytest.mark.parametrize(
    ("kind", "name"),
    [
        ("JPEG", "JPEG"),
        ("PNG", "PNG"),
        ("WEBP", "WEBP"),
        ("HEIF", "HEIC"),
        ("AVIF", "AVIF"),
        ("TIFF", "TIFF"),
        ("GIF", "GIF"),
        ("BMP", "BMP"),
        ("JPEG2000", "JPEG2000"),
    ],
)
def test_every_format_is_read_by_its_content(kind: str, name: str) -> None:
    photo = decode(saved(picture(), kind, quality=95))
    assert (photo.media_format, photo.width, photo.height) == (name, WIDTH, HEIGHT)
    assert photo.pixels.shape == (HEIGHT, WIDTH, 3)
    assert_upright(photo.pixels)


@pytest.mark.parametrize("mode", ["L", "1", "P", "CMYK", "I;16", "LA", "RGBA"])
def test_every_kind_of_pixel_is_read(mode: str) -> None:
    kind = "JPEG" if mode == "CMYK" else "PNG"
    if mode == "I;16":
        # A ramp from black to white, in sixteen bits.
        ramp = np.tile(np.linspace(0, 65535, WIDTH).astype(np.uint16), (HEIGHT, 1))
        pixels = decode(saved(Image.fromarray(ramp), kind)).pixels
        assert np.abs(pixels[0, :, 0].astype(float) - np.linspace(0, 255, WIDTH)).max() <= 1
        return
    source = picture().convert("L").convert(mode) if mode in {"L", "1", "LA"} else picture()
    image = source.convert(mode)
    pixels = decode(saved(image, kind)).pixels
    expected = np.asarray(image.convert("RGB"))[..., ::-1].astype(int)
    assert np.abs(pixels - expected).mean() < 4


@pytest.mark.parametrize("kind", ["PNG", "WEBP"])
def test_transparent_parts_are_white(kind: str) -> None:
    image = Image.new("RGBA", (40, 40), (0, 0, 0, 0))
    image.paste((200, 0, 0, 255), (0, 0, 40, 20))
    pixels = decode(saved(image, kind, lossless=True)).pixels
    assert pixels[35, 20].tolist() == [255, 255, 255]
    assert pixels[5, 20].tolist() == [0, 0, 200]


def test_a_transparent_colour_of_a_palette_is_white() -> None:
    image = Image.new("P", (8, 8), 0)
    image.putpalette([0, 0, 0, 200, 0, 0])
    image.paste(1, (0, 0, 8, 4))
    pixels = decode(saved(image, "PNG", transparency=0)).pixels
    assert pixels[6, 4].tolist() == [255, 255, 255]
    assert pixels[1, 4].tolist() == [0, 0, 200]


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "HEIF", "AVIF", "TIFF"])
@pytest.mark.parametrize(
    ("orientation", "stored"),
    [
        (1, None),
        (2, Image.Transpose.FLIP_LEFT_RIGHT),
        (3, Image.Transpose.ROTATE_180),
        (4, Image.Transpose.FLIP_TOP_BOTTOM),
        (5, Image.Transpose.TRANSPOSE),
        (6, Image.Transpose.ROTATE_90),
        (7, Image.Transpose.TRANSVERSE),
        (8, Image.Transpose.ROTATE_270),
    ],
)
def test_photos_are_turned_upright(kind: str, orientation: int, stored: Image.Transpose | None) -> None:
    image = picture() if stored is None else picture().transpose(stored)
    exif = Image.Exif()
    exif[0x0112] = orientation
    photo = decode(saved(image, kind, exif=exif.tobytes(), quality=95))
    assert (photo.width, photo.height) == (WIDTH, HEIGHT)
    assert_upright(photo.pixels)


def test_nonsense_in_the_metadata_does_no_harm() -> None:
    exif = Image.Exif()
    exif[0x0112] = 77
    assert_upright(decode(saved(picture(), "JPEG", exif=exif.tobytes(), quality=95)).pixels)
    assert_upright(decode(saved(picture(), "JPEG", exif=b"Exif\0\0MM\0*broken", quality=95)).pixels)


@pytest.mark.parametrize("orientation", [1, 6])
def test_a_large_jpeg_is_decoded_reduced(orientation: int) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    image = picture() if orientation == 1 else picture().transpose(Image.Transpose.ROTATE_90)
    large = image.resize((image.width * 45, image.height * 45))
    photo = decode(saved(large, "JPEG", exif=exif.tobytes()))
    assert (photo.width, photo.height) == (WIDTH * 45, HEIGHT * 45)
    assert photo.pixels.shape == (HEIGHT * 45 // 4, WIDTH * 45 // 4, 3)
    assert photo.scale == (0.25, 0.25)
    assert_upright(photo.pixels)
    photo.enlarge(1.5)
    assert photo.pixels.shape == (HEIGHT * 45 // 2, WIDTH * 45 // 2, 3)
    photo.enlarge(100)
    assert photo.pixels.shape == (HEIGHT * 45, WIDTH * 45, 3)
    assert photo.scale == (1, 1)
    assert_upright(photo.pixels)


def test_a_very_long_picture_can_be_worked_with() -> None:
    photo = decode(saved(Image.new("L", (40_000, 3), 90), "PNG"))
    assert (photo.width, photo.height) == (40_000, 3)
    assert max(photo.pixels.shape) < 2**15


def test_an_empty_file() -> None:
    assert reason_of(b"") is Reason.EMPTY


@pytest.mark.parametrize(
    "data", [b"hello", b"\0" * 100, b"name,external_id\nAda,1\n", b"PK\x03\x04" + b"x" * 99]
)
def test_what_is_no_image(data: bytes) -> None:
    assert reason_of(data) is Reason.NOT_AN_IMAGE


def test_images_of_other_kinds() -> None:
    assert reason_of(saved(picture(), "ICO")) is Reason.UNSUPPORTED_FORMAT
    assert reason_of(b"8BPS\0\1" + bytes(100)) is Reason.UNSUPPORTED_FORMAT


def test_a_pdf_is_told_from_other_files() -> None:
    document = saved(picture(), "PDF")
    assert reason_of(document) is Reason.PDF
    assert reason_of(b"@PJL ENTER LANGUAGE=PDF\r\n" + document) is Reason.PDF


def test_drawings_and_films() -> None:
    assert reason_of(b'<svg xmlns="http://www.w3.org/2000/svg"/>') is Reason.UNSUPPORTED_FORMAT
    assert reason_of(b'<?xml version="1.0"?>\n<svg/>') is Reason.UNSUPPORTED_FORMAT
    assert reason_of(b"\0\0\0\x18ftypmp42\0\0\0\0mp42isom") is Reason.UNSUPPORTED_FORMAT


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "HEIF", "AVIF", "BMP", "TIFF"])
@pytest.mark.parametrize("kept", [0.1, 0.5, 0.9, 0.999])
def test_a_file_that_breaks_off_is_damaged(kind: str, kept: float) -> None:
    noise = np.random.default_rng(7).integers(0, 255, (300, 400, 3), np.uint8)
    whole = saved(Image.fromarray(noise), kind)
    decode(whole)
    assert reason_of(whole[: int(len(whole) * kept)]) is Reason.DAMAGED


def test_a_large_jpeg_that_breaks_off_is_damaged() -> None:
    noise = np.random.default_rng(7).integers(0, 255, (1500, 2200, 3), np.uint8)
    for progressive in (False, True):
        whole = saved(Image.fromarray(noise), "JPEG", quality=40, progressive=progressive)
        assert reason_of(whole[: len(whole) * 3 // 4]) is Reason.DAMAGED


def test_only_a_header_is_damaged() -> None:
    for header in (
        b"\xff\xd8\xff\xe0",
        b"\x89PNG\r\n\x1a\n",
        b"RIFF\x10\0\0\0WEBPVP8 ",
        b"\0\0\0\x18ftypheic\0\0\0\0mif1",
    ):
        assert reason_of(header) is Reason.DAMAGED


def png_of_size(width: int, height: int) -> bytes:
    """A header that promises much, and next to nothing behind it."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", header)
        + chunk(b"IDAT", zlib.compress(b"\0"))
        + chunk(b"IEND", b"")
    )


def test_a_bomb_is_refused_by_its_header() -> None:
    with pytest.raises(UnusablePhoto) as caught:
        decode(png_of_size(60_000, 60_000))
    assert caught.value.reason is Reason.TOO_MANY_PIXELS
    assert (caught.value.media_format, caught.value.width, caught.value.height) == ("PNG", 60_000, 60_000)


def test_the_largest_bomb_is_refused_before_its_pixels_are_asked_for() -> None:
    assert reason_of(png_of_size(2**31 - 1, 2**31 - 1)) is Reason.TOO_MANY_PIXELS


def test_a_jpeg_of_hundreds_of_scans_is_refused() -> None:
    good = saved(picture(), "JPEG", progressive=True)
    last_scan = good[good.rindex(b"\xff\xda") : -2]
    assert decode(good).width == WIDTH
    assert reason_of(good[:-2] + 200 * last_scan + good[-2:]) is Reason.UNSUPPORTED_FORMAT


@pytest.mark.parametrize(
    ("kind", "before", "size"),
    [
        ("JPEG", b"\xff\xc0\x00\x11\x08", ">HH"),
        ("WEBP", b"\x9d\x01\x2a", "<HH"),
        ("GIF", b"GIF87a", "<HH"),
        ("BMP", b"\x28\0\0\0", "<II"),
        ("JPEG2000", b"ihdr", ">II"),
        ("HEIF", b"ispe\0\0\0\0", ">II"),
        ("AVIF", b"ispe\0\0\0\0", ">II"),
    ],
)
def test_more_than_the_limit_are_too_many(kind: str, before: bytes, size: str) -> None:
    small = saved(picture(), kind)
    place = small.index(before) + len(before)
    sides = struct.pack(size, 12_001, 10_000)
    assert reason_of(small[:place] + sides + small[place + len(sides) :]) is Reason.TOO_MANY_PIXELS


def test_a_tiff_of_more_than_the_limit_has_too_many() -> None:
    too_many = saved(Image.new("1", (12_001, 10_000)), "TIFF")
    assert reason_of(too_many) is Reason.TOO_MANY_PIXELS


def test_heic_brands() -> None:
    file = io.BytesIO()
    pillow_heif.from_pillow(picture()).save(file)
    assert decode(file.getvalue()).media_format == "HEIC"


WHOLE = {
    kind: saved(picture(), kind)
    for kind in ("JPEG", "PNG", "WEBP", "HEIF", "AVIF", "TIFF", "GIF", "BMP", "JPEG2000")
}


@settings(max_examples=300, deadline=None)
@given(
    kind=st.sampled_from(sorted(WHOLE)),
    changes=st.lists(st.tuples(st.floats(0, 0.9999), st.integers(0, 255)), min_size=1, max_size=8),
    kept=st.floats(0.02, 1),
)
def test_whatever_comes_is_a_photo_or_has_a_reason(
    kind: str, changes: list[tuple[float, int]], kept: float
) -> None:
    data = bytearray(WHOLE[kind])
    for place, value in changes:
        data[int(place * len(data))] = value
    try:
        photo = decode(bytes(data[: int(kept * len(data))]))
    except UnusablePhoto:
        return
    assert photo.pixels.ndim == 3
    assert photo.pixels.shape[2] == 3
