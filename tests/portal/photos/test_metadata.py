"""Photos on their way out: no metadata but how they are to be turned, and the same picture."""

from __future__ import annotations

import io
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image, ImageCms
from PIL.PngImagePlugin import PngInfo

from portal.photos.metadata import FORMATS, UnreadableContainer, stripped
from portal.photos.parts import MOST_PARTS
from tests.make.photos import picture

# Words that a photo knows and nobody is to read.
SECRETS = (b"Secret Street", b"Canon of Alice", b"SECRET-GPS", b"<x:xmpmeta")
ORIENTATION, MAKE, GPS = 0x0112, 0x010F, 0x8825
GPS_PLACE = 0x001C
XMP = b"<x:xmpmeta>Secret Street 7</x:xmpmeta>"


def exif(orientation: int | None = None) -> bytes:
    """What a camera writes: its owner, the place and, where it is told, the orientation."""
    metadata = Image.Exif()
    metadata[MAKE] = "Canon of Alice"
    if orientation is not None:
        metadata[ORIENTATION] = orientation
    metadata.get_ifd(GPS)[GPS_PLACE] = b"ASCII\0\0\0SECRET-GPS"
    return metadata.tobytes()


def text_chunks() -> PngInfo:
    chunks = PngInfo()
    chunks.add_text("Comment", "Secret Street 7")
    chunks.add_itxt("Place", "Secret Street 8", zip=False)
    chunks.add(b"tIME", b"\x07\xea\x01\x02\x03\x04\x05")
    return chunks


def jpeg(orientation: int | None = 6, **options: Any) -> bytes:
    return picture(40, "JPEG", exif=exif(orientation), comment=b"Secret Street 7", xmp=XMP, **options)


def png(orientation: int | None = 6, **options: Any) -> bytes:
    return picture(40, "PNG", exif=exif(orientation), pnginfo=text_chunks(), **options)


def webp(orientation: int | None = 6, **options: Any) -> bytes:
    return picture(40, "WEBP", exif=exif(orientation), xmp=XMP, **options)


MAKERS: dict[str, Callable[..., bytes]] = {"JPEG": jpeg, "PNG": png, "WEBP": webp}


def pixels(content: bytes) -> np.ndarray:
    with Image.open(io.BytesIO(content)) as image:
        return np.asarray(image.convert("RGB"))


def orientation_of(content: bytes) -> int:
    with Image.open(io.BytesIO(content)) as image:
        return int(image.getexif().get(ORIENTATION, 1))


@pytest.mark.parametrize("kind", FORMATS)
@pytest.mark.parametrize("orientation", [None, 1, 3, 6, 8])
def test_only_the_orientation_is_left(kind: str, orientation: int | None) -> None:
    photo = MAKERS[kind](orientation)
    assert any(secret in photo for secret in SECRETS), "the test's photo has nothing to hide"
    plain = stripped(photo, kind)
    assert not [secret for secret in SECRETS if secret in plain]
    assert (pixels(plain) == pixels(photo)).all()
    assert orientation_of(plain) == (orientation or 1)
    with Image.open(io.BytesIO(plain)) as image:
        assert image.format == kind
        assert set(image.getexif()) <= {ORIENTATION}
        assert not {"comment", "xmp", "Comment", "Place", "XML:com.adobe.xmp"} & set(image.info)
    assert stripped(plain, kind) == plain


@pytest.mark.parametrize("kind", FORMATS)
def test_the_colours_stay_what_they_were(kind: str) -> None:
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    plain = stripped(MAKERS[kind](icc_profile=profile), kind)
    with Image.open(io.BytesIO(plain)) as image:
        assert image.info["icc_profile"] == profile


@pytest.mark.parametrize("mode", ["L", "CMYK"])
def test_jpegs_of_other_colour_spaces_stay_what_they_were(mode: str) -> None:
    file = io.BytesIO()
    Image.linear_gradient("L").convert(mode).save(file, "JPEG", exif=exif(), quality=90)
    plain = stripped(file.getvalue(), "JPEG")
    assert b"Canon of Alice" not in plain
    assert (pixels(plain) == pixels(file.getvalue())).all()


@pytest.mark.parametrize("options", [{"progressive": True}, {"restart_marker_blocks": 2}, {"optimize": True}])
def test_jpegs_of_several_scans_or_with_restarts_stay_whole(options: dict[str, Any]) -> None:
    photo = jpeg(size=(300, 200), quality=97, **options)
    plain = stripped(photo, "JPEG")
    assert (pixels(plain) == pixels(photo)).all()
    assert not [secret for secret in SECRETS if secret in plain]


def test_a_second_picture_behind_the_first_goes_too() -> None:
    photo = jpeg() + jpeg(3, size=(32, 32)) + b"SECRET-GPS of the film"
    plain = stripped(photo, "JPEG")
    assert not [secret for secret in SECRETS if secret in plain]
    assert (pixels(plain) == pixels(photo)).all()
    assert plain.endswith(b"\xff\xd9")


def test_what_follows_a_webp_or_is_no_part_of_its_picture_goes_too() -> None:
    photo = webp()
    notes = b"NOTE" + len(b"SECRET-GPS").to_bytes(4, "little") + b"SECRET-GPS"
    size = len(photo) - 8 + len(notes)
    with_notes = photo[:4] + size.to_bytes(4, "little") + photo[8:] + notes + notes
    plain = stripped(with_notes, "WEBP")
    assert b"SECRET-GPS" not in plain
    assert (pixels(plain) == pixels(photo)).all()


def test_a_preview_inside_the_header_goes_too() -> None:
    photo = picture(40)
    inside = picture(90, size=(16, 16))
    segment = b"JFXX\0\x10" + inside
    with_preview = photo[:2] + b"\xff\xe0" + (len(segment) + 2).to_bytes(2, "big") + segment + photo[2:]
    plain = stripped(with_preview, "JPEG")
    assert inside not in plain
    assert (pixels(plain) == pixels(photo)).all()


def test_fill_bytes_before_a_marker_are_no_harm() -> None:
    photo = picture(40)
    plain = stripped(photo[:2] + b"\xff\xff\xff" + photo[2:], "JPEG")
    assert (pixels(plain) == pixels(photo)).all()


@pytest.mark.filterwarnings("ignore:Corrupt EXIF data")  # says Pillow, as it should
@pytest.mark.parametrize("kind", FORMATS)
def test_metadata_that_makes_no_sense_does_not_spoil_the_picture(kind: str) -> None:
    senseless = b"Exif\0\0MM\0*\xff\xff\xff\xffCanon of Alice"
    photo = picture(40, kind, exif=senseless)
    assert b"Canon of Alice" in photo
    plain = stripped(photo, kind)
    assert b"Canon of Alice" not in plain
    assert (pixels(plain) == pixels(photo)).all()


@pytest.mark.parametrize("kind", FORMATS)
@pytest.mark.parametrize("part", [0.02, 0.3, 0.6, 0.98])
def test_a_file_that_breaks_off_is_refused(kind: str, part: float) -> None:
    photo = MAKERS[kind](size=(300, 200))
    with pytest.raises(UnreadableContainer):
        stripped(photo[: int(len(photo) * part)], kind)


@pytest.mark.parametrize("kind", FORMATS)
def test_a_file_of_far_too_many_parts_is_refused(kind: str) -> None:
    photo = MAKERS[kind]()
    if kind == "JPEG":
        many = photo[:2] + MOST_PARTS * b"\xff\xfe\0\2" + photo[2:]
    elif kind == "PNG":
        many = photo[:33] + MOST_PARTS * (bytes(4) + b"noTe" + bytes(4)) + photo[33:]
    else:
        chunks = photo[12:] + MOST_PARTS * (b"NOTE" + bytes(4))
        many = b"RIFF" + (len(chunks) + 4).to_bytes(4, "little") + b"WEBP" + chunks
    with pytest.raises(UnreadableContainer, match="parts"):
        stripped(many, kind)


@pytest.mark.parametrize(("kind", "value"), [(1, b"\6\0\0\0"), (3, b"\0\6\0\0"), (4, b"\0\0\0\6")])
def test_an_orientation_may_be_any_whole_number(kind: int, value: bytes) -> None:
    block = b"MM\0*\0\0\0\x08\0\1\1\x12\0" + bytes([kind]) + b"\0\0\0\1" + value + bytes(4)
    photo = picture(40, "JPEG", exif=b"Exif\0\0" + block)
    assert orientation_of(stripped(photo, "JPEG")) == 6


def test_what_fills_up_between_the_segments_of_a_jpeg_goes_too() -> None:
    photo = picture(40)
    end = 4 + int.from_bytes(photo[4:6], "big")
    plain = stripped(photo[:end] + b"SECRET-GPS\xff\xff" + photo[end:], "JPEG")
    assert b"SECRET-GPS" not in plain
    assert (pixels(plain) == pixels(photo)).all()


@pytest.mark.parametrize("kind", FORMATS)
@given(content=st.binary(max_size=200), cut=st.integers(0, 300), position=st.integers(0, 300))
def test_whatever_comes_there_is_an_answer_or_a_refusal(
    kind: str, content: bytes, cut: int, position: int
) -> None:
    photo = MAKERS[kind]()
    for damaged in (
        content,
        photo[:cut] + content,
        photo[:position] + content + photo[position + len(content) :],
    ):
        with suppress(UnreadableContainer):
            assert isinstance(stripped(damaged, kind), bytes)
