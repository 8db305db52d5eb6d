"""Photo bytes in, faces out: what the jobs rely on."""

from __future__ import annotations

import io
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image, ImageChops, ImageCms

from jobs.faces.pipeline import FacePipeline, PhotoAnalysis, UnusablePhoto
from portal.photos.reasons import Reason
from tests.make.photos import mate
from tests.make.pixels import encoded, pixels
from tests.make.profiles import display_p3
from tests.read.faces import analysed, main_of, template_of


def opened(data: bytes) -> Image.Image:
    image = Image.open(io.BytesIO(data))
    image.load()
    return image


def test_one_photo_from_end_to_end(any_pipeline: FacePipeline, portrait: bytes) -> None:
    analysis = analysed(any_pipeline, portrait)
    assert (analysis.media_format, analysis.width, analysis.height) == ("JPEG", 250, 250)
    face = main_of(analysis)
    left, top, right, bottom = face.box
    assert left < 125 < right
    assert top < 125 < bottom
    assert face.landmarks.shape == (5, 2)
    assert face.landmarks.dtype == np.float32
    assert analysis.preview is None, "a small upright JPEG is shown itself"
    assert opened(analysis.thumbnail).size == (192, 192)


@pytest.mark.parametrize(("kind", "side"), [("PNG", 250), ("JPEG", 1600)])
def test_what_is_no_small_jpeg_gets_a_preview(
    pipeline: FacePipeline, portrait: bytes, kind: str, side: int
) -> None:
    file = io.BytesIO()
    opened(portrait).resize((side, side)).save(file, kind)
    preview = analysed(pipeline, file.getvalue()).preview
    assert preview is not None
    assert opened(preview).size == (min(side, 1024), min(side, 1024))


def test_good_and_bad_photos_of_one_call_keep_their_places(pipeline: FacePipeline, portrait: bytes) -> None:
    blank = encoded(np.full((200, 300, 3), 128, np.uint8))
    results = pipeline.analyse([b"", portrait, blank, portrait[:3000], b"no photo", portrait])
    reasons = [result.reason if isinstance(result, UnusablePhoto) else None for result in results]
    assert reasons == [Reason.EMPTY, None, None, Reason.DAMAGED, Reason.NOT_AN_IMAGE, None]
    _, first, empty, _, _, last = results
    assert isinstance(first, PhotoAnalysis)
    assert isinstance(last, PhotoAnalysis)
    assert isinstance(empty, PhotoAnalysis)
    assert (empty.faces, empty.main) == ([], None)
    assert empty.preview is not None
    assert opened(empty.preview).size == (300, 200)
    assert opened(empty.thumbnail).size == (192, 192)
    assert np.array_equal(template_of(first), template_of(last))


def test_no_photos_no_results(any_pipeline: FacePipeline) -> None:
    assert any_pipeline.analyse([]) == []


@pytest.mark.parametrize("kind", ["PNG", "WEBP", "HEIF", "AVIF", "TIFF", "BMP", "JPEG2000"])
def test_the_format_does_not_change_the_face(pipeline: FacePipeline, portrait: bytes, kind: str) -> None:
    file = io.BytesIO()
    opened(portrait).save(file, kind, quality=95)
    template = template_of(analysed(pipeline, file.getvalue()))
    assert float(np.dot(template, template_of(analysed(pipeline, portrait)))) > 0.98


def test_colours_and_depth_do_not_change_the_face(pipeline: FacePipeline, portrait: bytes) -> None:
    """Display P3, inks with and without Adobe's marker, and values of twelve bits in sixteen."""
    image = opened(portrait)
    profile = ImageCms.ImageCmsProfile(io.BytesIO(display_p3()))
    wide = ImageCms.profileToProfile(image, ImageCms.createProfile("sRGB"), profile)
    assert wide is not None
    inks = ImageChops.invert(image.convert("CMYK"))
    twelve = Image.fromarray(np.asarray(image.convert("L")).astype(np.uint16) * 16)
    files = [io.BytesIO() for _ in range(4)]
    wide.save(files[0], "JPEG", quality=95, icc_profile=display_p3())
    inks.save(files[1], "JPEG", quality=95)
    image.convert("CMYK").save(files[2], "JPEG", quality=95)
    twelve.save(files[3], "PNG")
    contents = [file.getvalue() for file in files]
    marker = contents[1].index(b"\xff\xee")
    contents[1] = contents[1][:marker] + contents[1][marker + 16 :]
    expected = template_of(analysed(pipeline, portrait))
    analyses = [analysed(pipeline, content) for content in contents]
    scores = [float(np.dot(expected, template_of(analysis))) for analysis in analyses]
    assert min(scores[:3]) > 0.98
    assert scores[3] > 0.8  # without colours
    # A browser shows inks each in its own way: a preview is made of them.
    assert [analysis.preview is None for analysis in analyses] == [True, False, False, False]


@pytest.mark.parametrize(
    ("case", "person"),
    [
        ("motion_photo", "Angela_Lansbury"),
        ("phone_8160x6144", "David_Trimble"),
        ("no_end_marker", "Frank_Stallone"),
        ("xmp_orientation6", "Francis_George"),
    ],
)
def test_whose_odd_file_failed_once_is_found(
    pipeline: FacePipeline, lfw: Path, cases: Path, case: str, person: str
) -> None:
    enrolled = template_of(analysed(pipeline, (cases / f"{case}.jpg").read_bytes()))
    probe = template_of(analysed(pipeline, mate(lfw, person, 2)))
    assert float(np.dot(enrolled, probe)) > 0.45


def test_the_main_face_is_the_one_in_the_middle(pipeline: FacePipeline, lfw: Path, portrait: bytes) -> None:
    """Two faces of about one size, of which one is in the middle of the photo; and then a much larger one."""
    middle = pixels(portrait)
    other = pixels((lfw / "Abel_Aguilar" / "Abel_Aguilar_0001.jpg").read_bytes())
    larger = np.asarray(cv2.resize(other, (275, 275)))
    canvas = np.zeros((275, 900, 3), np.uint8)
    canvas[:250, 325:575] = middle
    canvas[:, :275] = larger
    analysis = analysed(pipeline, encoded(canvas))
    assert len(analysis.faces) == 2
    face = main_of(analysis)
    assert 325 < face.box[0] < face.box[2] < 575
    assert float(np.dot(template_of(analysis), template_of(analysed(pipeline, portrait)))) > 0.98


def test_a_large_turned_photo_gives_the_face_of_the_small_one(
    pipeline: FacePipeline, portrait: bytes
) -> None:
    small = opened(portrait)
    large = small.resize((3000, 3000), Image.Resampling.BICUBIC).transpose(Image.Transpose.ROTATE_90)
    exif = Image.Exif()
    exif[0x0112] = 6
    exif[0x010E] = "where it was taken"
    file = io.BytesIO()
    large.save(file, "JPEG", exif=exif.tobytes(), quality=90)
    analysis = analysed(pipeline, file.getvalue())
    small_one = analysed(pipeline, portrait)
    face, expected = main_of(analysis), main_of(small_one)
    assert (analysis.width, analysis.height) == (3000, 3000)
    assert np.array(face.box) / 12 == pytest.approx(np.array(expected.box), abs=4)
    assert face.landmarks / 12 == pytest.approx(expected.landmarks, abs=6)
    assert float(np.dot(template_of(analysis), template_of(small_one))) > 0.95
    assert analysis.preview is not None
    assert max(opened(analysis.preview).size) == 1024
    assert not opened(analysis.preview).getexif()
    assert b"where it was taken" not in analysis.preview + analysis.thumbnail


def test_a_small_face_in_a_large_photo_is_embedded_with_all_its_pixels(
    pipeline: FacePipeline, portrait: bytes
) -> None:
    """Reduced to a quarter, the face would have fewer pixels than the recogniser takes."""
    canvas = np.full((3000, 4200, 3), 90, np.uint8)
    canvas[1100:1900, 1700:2500] = cv2.resize(pixels(portrait), (800, 800), interpolation=cv2.INTER_CUBIC)
    as_jpeg = analysed(pipeline, encoded(canvas, ".jpg", cv2.IMWRITE_JPEG_QUALITY, 95))
    whole = encoded(canvas)
    assert float(pipeline.embed(whole, main_of(as_jpeg).landmarks) @ template_of(as_jpeg)) > 0.995


def test_a_face_that_was_chosen_later(pipeline: FacePipeline, six_people: bytes) -> None:
    analysis = analysed(pipeline, six_people)
    chosen = next(face for face in analysis.faces if face.template is None)
    template = pipeline.embed(six_people, chosen.landmarks)
    assert float(np.linalg.norm(template)) == pytest.approx(1, abs=1e-5)
    assert float(np.dot(template, template_of(analysis))) < 0.5
    # It is the face of that place: its part of the photo, alone, gives the same one.
    left, top, right, bottom = (int(value) for value in chosen.box)
    margin = 60
    part = pixels(six_people)[max(top - margin, 0) : bottom + margin, max(left - margin, 0) : right + margin]
    alone = analysed(pipeline, encoded(np.ascontiguousarray(part)))
    assert float(np.dot(template, template_of(alone))) > 0.9
    with pytest.raises(UnusablePhoto):
        pipeline.embed(six_people[:5000], chosen.landmarks)


def test_a_thumbnail_shows_the_face_it_was_asked_for(pipeline: FacePipeline, six_people: bytes) -> None:
    analysis = analysed(pipeline, six_people)
    for face in analysis.faces:
        picture = pipeline.thumbnail(six_people, face.box)
        assert opened(picture).size == (192, 192)
        shown = analysed(pipeline, picture)
        template = pipeline.embed(six_people, face.landmarks)
        assert float(np.dot(template_of(shown), template)) > 0.6
        # Head and shoulders, not only the face.
        _, top, _, bottom = main_of(shown).box
        assert 0.3 < (bottom - top) / 192 < 0.65


def test_a_thumbnail_at_the_very_edge_stays_inside(pipeline: FacePipeline, portrait: bytes) -> None:
    for box in ((-20, -20, 30, 30), (230, 230, 280, 290), (-50, -50, 400, 400), (100, 100, 101, 101)):
        assert opened(pipeline.thumbnail(portrait, box)).size == (192, 192)


@pytest.mark.parametrize("size", [(1, 1), (3, 900), (5000, 2)])
def test_odd_shapes_are_photos_without_a_face(any_pipeline: FacePipeline, size: tuple[int, int]) -> None:
    file = io.BytesIO()
    Image.new("RGB", size, "grey").save(file, "PNG")
    analysis = analysed(any_pipeline, file.getvalue())
    assert (analysis.width, analysis.height, analysis.main) == (*size, None)


def test_rank_one_and_failure_to_enrol(pipeline: FacePipeline, lfw: Path) -> None:
    """A share of what `make bench` measures: first photos are the gallery, second ones the probes."""
    people = [folder for folder in sorted(lfw.iterdir()) if len(list(folder.iterdir())) > 1][:80]
    templates = []
    for place in (0, 1):
        results = pipeline.analyse([sorted(folder.iterdir())[place].read_bytes() for folder in people])
        analyses = [result for result in results if isinstance(result, PhotoAnalysis)]
        templates.append(np.array([main_of(analysis).template for analysis in analyses]))
    gallery, probes = templates
    assert ((probes @ gallery.T).argmax(axis=1) == np.arange(80)).mean() >= 0.97
