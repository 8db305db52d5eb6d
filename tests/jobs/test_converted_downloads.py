"""What is no whole JPEG, PNG or WebP goes out as a JPEG that a worker made of it, without metadata."""

from __future__ import annotations

import io

import numpy as np
import pillow_heif
import pytest
from PIL import ExifTags, Image, ImageCms

from tests.make.photos import six_people
from tests.run.workers import Worker
from tests.visitor import Visitor, enrol

CAMERA = "Camera of the front desk"
PROFILE = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()


def heic_with_metadata() -> tuple[Image.Image, bytes]:
    """A photo, and the HEIC file that a telephone would make of it: with camera, place and colour profile."""
    pillow_heif.register_heif_opener()
    photo = Image.open(io.BytesIO(six_people()))
    exif = Image.Exif()
    exif[ExifTags.Base.Model] = CAMERA
    exif.get_ifd(ExifTags.IFD.GPSInfo)[ExifTags.GPS.GPSLatitudeRef] = "N"
    file = io.BytesIO()
    photo.save(file, "HEIF", quality=95, exif=exif, icc_profile=PROFILE)
    assert CAMERA.encode() in file.getvalue()
    return photo, file.getvalue()


def photo_number(visitor: Visitor, person: int) -> str:
    visitor.get(f"/people/{person}")
    tile = visitor.page.select_one("[data-photo]")
    assert tile is not None
    return str(tile["data-photo"])


def test_it_is_the_whole_photo_without_its_metadata(worker: Worker, bob: Visitor) -> None:
    photo, heic = heic_with_metadata()
    person = enrol(bob, "Anna Lindqvist", "A-1", heic)
    number = photo_number(bob, person)
    assert bob.get(f"/photos/{number}/original").status_code == 404
    worker.work()
    answer = bob.get(f"/photos/{number}/original")
    assert answer.mimetype == "image/jpeg"
    assert f"photo-{number}.jpg" in answer.headers["Content-Disposition"]
    assert CAMERA.encode() not in answer.data
    with Image.open(io.BytesIO(answer.data)) as handed_out:
        assert handed_out.format == "JPEG"
        assert handed_out.size == photo.size
        assert dict(handed_out.getexif()) == {}
        assert handed_out.info["icc_profile"] == PROFILE
        difference = np.asarray(handed_out, int) - np.asarray(photo.convert("RGB"), int)
    assert np.abs(difference).mean() < 3


def in_another_format(kind: str) -> bytes:
    """The same photo in another format, or as a JPEG that is whole but for its end marker."""
    if kind == "no end":
        return six_people()[:-2]
    file = io.BytesIO()
    Image.open(io.BytesIO(six_people())).save(file, kind)
    return file.getvalue()


@pytest.mark.parametrize("kind", ["AVIF", "TIFF", "GIF", "BMP", "JPEG2000", "no end"])
def test_other_formats_are_shown_and_handed_out_as_jpeg(worker: Worker, bob: Visitor, kind: str) -> None:
    person = enrol(bob, "Anna Lindqvist", "A-1", in_another_format(kind))
    worker.work()
    number = photo_number(bob, person)
    for address, sizes in (("original", (1280, 886)), ("preview", (1024, 709)), ("thumbnail", (192, 192))):
        answer = bob.get(f"/photos/{number}/{address}")
        assert (answer.status_code, answer.mimetype) == (200, "image/jpeg")
        with Image.open(io.BytesIO(answer.data)) as picture:
            assert (picture.format, picture.size) == ("JPEG", sizes)


def test_it_goes_with_the_person(worker: Worker, bob: Visitor) -> None:
    person = enrol(bob, "Anna Lindqvist", "A-1", heic_with_metadata()[1])
    worker.work()
    folder = worker.app.config["PORTAL"].photo_dir
    assert list(folder.rglob("*.converted"))
    bob.post(f"/people/{person}/delete")
    assert [path for path in folder.rglob("*") if path.is_file()] == []
