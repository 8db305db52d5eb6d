"""Files that are whole but odd: what telephones, scanners and other programs make of a photo."""

from __future__ import annotations

import io
import struct
from pathlib import Path

import cv2
import numpy as np
import pillow_heif
import pytest
from numpy.typing import NDArray
from PIL import Image, ImageChops, ImageCms
from PIL.PngImagePlugin import PngInfo

from jobs.faces import pixels as other_pixels
from jobs.faces.decode import UnusablePhoto, as_jpeg, decode
from portal.photos.metadata import stripped
from portal.photos.reasons import Reason
from tests.jobs.faces.test_decode import HEIGHT, WIDTH, assert_upright, picture, reason_of, saved
from tests.make.heic import with_gain_map
from tests.make.photos import six_people
from tests.make.profiles import display_p3, linear_grey

XMP = """<?xpacket begin=""?><x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF
 xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#"><rdf:Description
 xmlns:tiff="http://ns.adobe.com/tiff/1.0/" {}</rdf:RDF></x:xmpmeta>"""
ATTRIBUTE, QUOTED = 'tiff:Orientation="6"></rdf:Description>', "tiff:Orientation = '6'/>"
ELEMENT = "><tiff:Orientation>6</tiff:Orientation></rdf:Description>"


def photo() -> Image.Image:
    return Image.open(io.BytesIO(six_people())).resize((640, 443))


def film() -> bytes:
    """What lies behind a motion photo's picture, in which the marker of a scan occurs again and again."""
    return b"\0\0\0\x18ftypmp42\0\0\0\0mp42isom" + 500 * b"\xff\xda\0\x0c\x03\x01 SECRET-GPS"


def difference(found: NDArray[np.uint8], image: Image.Image) -> float:
    """The mean difference of BGR pixels from a picture."""
    return float(np.abs(found[..., ::-1].astype(int) - np.asarray(image.convert("RGB"), int)).mean())


@pytest.mark.parametrize("options", [{}, {"progressive": True}, {"restart_marker_blocks": 3}])
def test_a_motion_photo_is_its_picture(options: dict[str, object]) -> None:
    whole = saved(photo(), "JPEG", quality=90, **options)
    found = decode(whole + film())
    assert np.array_equal(found.pixels, decode(whole).pixels)
    assert found.can_be_handed_out
    assert b"SECRET-GPS" not in stripped(whole + film(), "JPEG")


def test_hundreds_of_scans_are_refused_with_a_film_behind_them_too() -> None:
    good = saved(picture(), "JPEG", progressive=True)
    last_scan = good[good.rindex(b"\xff\xda") : -2]
    assert reason_of(good[:-2] + 200 * last_scan + good[-2:] + film()) is Reason.UNSUPPORTED_FORMAT


@pytest.mark.parametrize(
    "options", [{}, {"progressive": True}, {"restart_marker_blocks": 3}, {"optimize": True}]
)
@pytest.mark.parametrize("ending", [b"", b"\xff", bytes(300)], ids=["", "half", "zeros"])
def test_a_jpeg_that_lacks_its_end_marker_only_is_whole(options: dict[str, object], ending: bytes) -> None:
    for quality in range(40, 96, 14):
        whole = saved(photo(), "JPEG", quality=quality, **options)
        found = decode(whole[:-2] + ending)
        assert np.array_equal(found.pixels, decode(whole).pixels)
        assert not found.can_be_handed_out
        assert np.abs(decode(as_jpeg(whole[:-2] + ending)).pixels.astype(int) - found.pixels).mean() < 2


@pytest.mark.parametrize("progressive", [False, True])
@pytest.mark.parametrize("missing", [40, 100, 1000, 20_000])
@pytest.mark.parametrize("ending", [b"", bytes(30_000)], ids=["", "zeros"])
def test_a_jpeg_that_lacks_some_of_its_picture_is_damaged(
    progressive: bool, missing: int, ending: bytes
) -> None:
    whole = saved(photo(), "JPEG", quality=90, progressive=progressive)
    assert reason_of(whole[: -2 - missing] + ending) is Reason.DAMAGED


@pytest.mark.parametrize("mode", ["L", "CMYK"])
def test_a_jpeg_of_other_pixels_that_lacks_its_end_marker_is_whole(mode: str) -> None:
    whole = saved(photo().convert(mode), "JPEG")
    assert np.array_equal(decode(whole[:-2]).pixels, decode(whole).pixels)
    assert reason_of(whole[:-200]) is Reason.DAMAGED


def test_a_large_jpeg_without_its_end_can_be_had_larger() -> None:
    whole = saved(photo().resize((5120, 3544)), "JPEG", quality=50)
    found, expected = decode(whole[:-2]), decode(whole)
    for each in (found, expected):
        each.enlarge(2)
    assert np.array_equal(found.pixels, expected.pixels)


def test_a_png_without_its_last_chunk_is_whole() -> None:
    whole = saved(photo(), "PNG")
    assert np.array_equal(decode(whole[:-12]).pixels, decode(whole).pixels)
    assert stripped(whole[:-12], "PNG") == whole


def xmp_photos() -> list[tuple[str, bytes]]:
    """Photos that are turned, of which only XMP says so."""
    turned = picture().transpose(Image.Transpose.ROTATE_90)
    packed, plain = PngInfo(), PngInfo()
    plain.add_itxt("XML:com.adobe.xmp", XMP.format(ATTRIBUTE), zip=False)
    packed.add_itxt("XML:com.adobe.xmp", XMP.format(ELEMENT), zip=True)
    photos = [("PNG", saved(turned, "PNG", pnginfo=chunks)) for chunks in (plain, packed)]
    other = Image.Exif()
    other[0x010F] = "Camera"
    for kind in ("JPEG", "WEBP"):
        for words in (ATTRIBUTE, ELEMENT, QUOTED):
            for exif in (None, other.tobytes()):
                options = {} if exif is None else {"exif": exif}
                xmp = XMP.format(words).encode()
                photos.append((kind, saved(turned, kind, xmp=xmp, quality=95, **options)))
    return photos


@pytest.mark.parametrize(("kind", "content"), xmp_photos())
def test_an_orientation_that_only_xmp_has_counts_for_page_and_download(kind: str, content: bytes) -> None:
    assert_upright(decode(content).pixels)
    plain = stripped(content, kind)
    assert b"xmpmeta" not in plain
    assert_upright(decode(plain).pixels)
    with Image.open(io.BytesIO(plain)) as image:
        assert image.getexif()[0x0112] == 6


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP"])
def test_exif_goes_before_xmp(kind: str) -> None:
    exif = Image.Exif()
    exif[0x0112] = 1
    xmp = XMP.format(ATTRIBUTE)
    chunks = PngInfo()
    chunks.add_itxt("XML:com.adobe.xmp", xmp)
    options = {"pnginfo": chunks} if kind == "PNG" else {"xmp": xmp.encode(), "quality": 95}
    content = saved(picture(), kind, exif=exif.tobytes(), **options)
    assert_upright(decode(content).pixels)
    assert_upright(decode(stripped(content, kind)).pixels)


@pytest.mark.parametrize("packed", [True, False])
def test_the_orientation_of_a_png_by_imagemagick_counts_for_page_and_download(packed: bool) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    block = exif.tobytes()
    chunks = PngInfo()
    chunks.add_text("Raw profile type exif", f"\nexif\n{len(block):8}\n{block.hex()}\n", zip=packed)
    content = saved(picture().transpose(Image.Transpose.ROTATE_90), "PNG", pnginfo=chunks)
    assert_upright(decode(content).pixels)
    assert_upright(decode(stripped(content, "PNG")).pixels)


@pytest.mark.parametrize("bits", [8, 10, 12, 14, 16])
@pytest.mark.parametrize("kind", ["PNG", "TIFF"])
def test_grey_values_of_fewer_bits_than_sixteen(bits: int, kind: str) -> None:
    grey = photo().convert("L")
    values = np.round(np.asarray(grey, float) * ((2**bits - 1) / 255)).astype(np.uint16)
    assert difference(decode(saved(Image.fromarray(values), kind)).pixels, grey) < 2


@pytest.mark.parametrize("bits", [12, 16])
@pytest.mark.parametrize("transparent", [False, True])
def test_colours_of_fewer_bits_than_sixteen(bits: int, transparent: bool) -> None:
    values = np.round(np.asarray(photo(), float)[..., ::-1] * ((2**bits - 1) / 255)).astype(np.uint16)
    expected = photo()
    if transparent:
        alpha = np.full((*values.shape[:2], 1), 65535, np.uint16)
        alpha[:100] = 0
        values = np.concatenate([values, alpha], axis=2)
        expected.paste((255, 255, 255), (0, 0, expected.width, 100))
    written, content = cv2.imencode(".png", values)
    assert written
    assert difference(decode(content.tobytes()).pixels, expected) < 2


def deep_tiff(values: NDArray[np.uint16], orientation: int) -> bytes:
    """A TIFF of sixteen bits a colour, turned."""
    height, width, _ = values.shape
    pixels = values.astype("<u2").tobytes()
    tags = [(256, 4, 1, width), (257, 4, 1, height), (258, 3, 3, 8), (259, 3, 1, 1), (262, 3, 1, 2)]
    tags += [(273, 4, 1, 16), (274, 3, 1, orientation), (277, 3, 1, 3), (278, 4, 1, height)]
    tags += [(279, 4, 1, len(pixels))]
    entries = b"".join(struct.pack("<HHII", *tag) for tag in tags)
    start = b"II*\0" + struct.pack("<I4H", 16 + len(pixels), 16, 16, 16, 0)
    return start + pixels + struct.pack("<H", len(tags)) + entries + bytes(4)


@pytest.mark.parametrize("bits", [10, 12, 16])
@pytest.mark.parametrize(("orientation", "turn"), [(1, 0), (3, 180), (6, 90), (8, 270)])
def test_colours_of_a_tiff_of_fewer_bits_than_sixteen(bits: int, orientation: int, turn: int) -> None:
    stored = np.asarray(picture().rotate(turn, expand=True), float)
    values = np.round(stored * ((2**bits - 1) / 255)).astype(np.uint16)
    found = decode(deep_tiff(values, orientation))
    assert (found.width, found.height) == (WIDTH, HEIGHT)
    assert_upright(found.pixels)


@pytest.mark.parametrize("primary", [0, 1])
def test_of_several_pictures_of_a_heic_the_one_it_names_is_taken(primary: int) -> None:
    pictures = [Image.new("RGB", (200, 300), "black"), Image.new("L", (48, 32), 128)]
    pictures.insert(primary, picture())
    file = io.BytesIO()
    collection = pillow_heif.HeifFile()  # type: ignore[no-untyped-call]
    for each in pictures:
        collection.add_from_pillow(each)
    collection.save(file, primary_index=primary, quality=95)
    found = decode(file.getvalue())
    assert (found.width, found.height) == (WIDTH, HEIGHT)
    assert_upright(found.pixels)
    assert_upright(decode(as_jpeg(file.getvalue())).pixels)


@pytest.mark.parametrize("derived", [False, True], ids=["auxiliary", "tmap"])
def test_a_heic_with_a_gain_map_is_its_picture(derived: bool) -> None:
    content = with_gain_map(picture(), derived=derived)
    found = decode(content)
    assert (found.media_format, found.width, found.height) == ("HEIC", WIDTH, HEIGHT)
    assert_upright(found.pixels)
    assert_upright(decode(as_jpeg(content)).pixels)


@pytest.mark.parametrize("kind", ["HEIF", "AVIF", "PNG", "WEBP", "TIFF", "GIF", "BMP"])
def test_what_lies_behind_a_picture_is_left_out(kind: str) -> None:
    assert_upright(decode(saved(picture(), kind) + film()).pixels)


@pytest.mark.parametrize("brand", [b"heic", b"mif1", b"msf1", b"tmap", b"miaf", b"MiHE"])
def test_a_heic_is_known_by_any_of_its_brands(brand: bytes) -> None:
    """Files with a gain map name that first: tmap."""
    content = saved(picture(), "HEIF", quality=95)
    assert_upright(decode(content[:8] + brand + content[12:]).pixels)


@pytest.mark.parametrize("brand", [b"avif", b"mif1", b"avis"])
def test_an_avif_is_known_by_any_of_its_brands(brand: bytes) -> None:
    content = saved(picture(), "AVIF", quality=95)
    if brand == b"avis":
        content = saved(
            picture(), "AVIF", quality=95, save_all=True, append_images=[Image.new("RGB", (96, 64))]
        )
    elif brand == b"mif1":
        content = content[:8] + brand + content[12:]
    found = decode(content)
    assert found.media_format == "AVIF"
    assert_upright(found.pixels)


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "HEIF", "AVIF", "TIFF"])
def test_colours_of_display_p3_come_out_as_in_srgb(kind: str) -> None:
    profile = ImageCms.ImageCmsProfile(io.BytesIO(display_p3()))
    wide = ImageCms.profileToProfile(photo(), ImageCms.createProfile("sRGB"), profile)
    assert wide is not None
    assert difference(np.asarray(wide)[..., ::-1], photo()) > 3, "the test's photo has no colours"
    options = {"quality": 95} if kind not in {"TIFF", "PNG"} else {}
    content = saved(wide, kind, icc_profile=display_p3(), **options)
    plain = decode(saved(photo(), kind, **options)).pixels
    assert np.abs(decode(content).pixels.astype(int) - plain).mean() < 2
    with Image.open(io.BytesIO(as_jpeg(content))) as handed_out:
        assert handed_out.info["icc_profile"] == display_p3()
        assert difference(np.asarray(handed_out)[..., ::-1], wide) < 4


def test_grey_of_a_profile_comes_out_as_in_srgb() -> None:
    dark = Image.new("L", (64, 64), 55)  # a fifth of the light
    for kind in ("JPEG", "PNG"):
        found = decode(saved(dark, kind, icc_profile=linear_grey())).pixels
        assert found.mean() == pytest.approx(128, abs=3)


@pytest.mark.parametrize("profile", [b"nonsense", display_p3()[:200], linear_grey()])
def test_a_profile_that_makes_no_sense_does_no_harm(profile: bytes) -> None:
    assert_upright(decode(saved(picture(), "JPEG", quality=95, icc_profile=profile)).pixels)
    assert_upright(decode(saved(picture(), "PNG", icc_profile=profile)).pixels)


def black_generated(image: Image.Image) -> Image.Image:
    """CMYK as printers have it: what three inks have in common is printed in black."""
    inks = 255 - np.asarray(image, int)
    black = inks.min(axis=2, keepdims=True)
    return Image.fromarray(np.concatenate([inks - black, black], axis=2).astype(np.uint8), "CMYK")


@pytest.mark.parametrize("marked", [True, False])
@pytest.mark.parametrize("inverted", [True, False])
@pytest.mark.parametrize("black", [True, False])
@pytest.mark.parametrize("scene", ["photo", "portrait", "dark", "white"])
def test_cmyk_with_and_without_adobes_marker(marked: bool, inverted: bool, black: bool, scene: str) -> None:
    rgb = photo()
    if scene == "dark":
        rgb = ImageChops.multiply(rgb, Image.new("RGB", rgb.size, (70, 70, 70)))
    elif scene != "photo":
        around = Image.new("RGB", (700, 700), "black" if scene == "portrait" else "white")
        around.paste(rgb, (30, 100))
        rgb = around
    inks = black_generated(rgb) if black else rgb.convert("CMYK")
    # Pillow writes them inverted, as Adobe does, and says so in Adobe's marker.
    content = saved(inks if inverted else ImageChops.invert(inks), "JPEG", quality=95)
    if not marked:
        start = content.index(b"\xff\xee")
        content = content[:start] + content[start + 2 + struct.unpack_from(">H", content, start + 2)[0] :]
    elif not inverted:
        return
    found = decode(content)
    assert difference(found.pixels, inks) < 4
    assert difference(found.pixels, rgb) < 12


def test_of_an_animation_the_first_picture_is_taken() -> None:
    frames = [Image.new("RGB", (WIDTH, HEIGHT), colour) for colour in ("black", "yellow")]
    for kind in ("GIF", "WEBP"):
        content = saved(picture(), kind, save_all=True, append_images=frames, duration=100, quality=95)
        assert_upright(decode(content).pixels)


@pytest.mark.parametrize("compression", ["raw", "tiff_lzw", "tiff_adobe_deflate", "jpeg", "packbits"])
def test_tiffs_of_every_usual_compression(compression: str) -> None:
    found = decode(saved(photo(), "TIFF", compression=compression))
    assert difference(found.pixels, photo()) < 3
    assert not found.can_be_handed_out


def test_of_a_tiff_of_several_pages_the_first_is_taken() -> None:
    pages = saved(picture(), "TIFF", save_all=True, append_images=[Image.new("RGB", (30, 30))])
    assert_upright(decode(pages).pixels)


def tiff(**more: int) -> bytes:
    """A grey TIFF of 8 by 8 pixels, with tags of one number each (t254=1)."""
    tags = {256: 8, 257: 8, 258: 8, 259: 1, 262: 1, 273: 8, 277: 1, 278: 8, 279: 64}
    tags |= {int(name[1:]): value for name, value in more.items()}
    entries = b"".join(struct.pack("<HHII", tag, 4, 1, value) for tag, value in sorted(tags.items()))
    return b"II*\0" + struct.pack("<I", 72) + bytes(64) + struct.pack("<H", len(tags)) + entries + bytes(4)


def test_a_raw_photo_is_not_taken_for_its_small_copy() -> None:
    assert decode(tiff()).width == 8
    for raw in (tiff(t254=1), tiff(t262=32803), tiff(t262=34892), tiff(t50706=1)):
        assert reason_of(raw) is Reason.UNSUPPORTED_FORMAT
    assert reason_of(b"II*\0\x10\0\0\0CR\2\0" + tiff()) is Reason.UNSUPPORTED_FORMAT


def test_a_tile_far_larger_than_its_tiff_is_refused() -> None:
    assert reason_of(tiff(t322=60_000, t323=60_000)) is Reason.TOO_MANY_PIXELS


def test_a_measurement_is_no_photo() -> None:
    assert reason_of(saved(Image.new("F", (40, 40), 0.5), "TIFF")) is Reason.UNSUPPORTED_FORMAT


def test_a_bmp_whose_fourth_byte_is_empty_is_seen() -> None:
    image = picture().convert("RGBA")
    image.putalpha(0)
    assert_upright(decode(saved(image, "BMP")).pixels)


@pytest.mark.parametrize("options", [{}, {"tile_size": (32, 32)}, {"no_jp2": True}, {"irreversible": True}])
def test_jpeg_2000_with_and_without_tiles_and_boxes(options: dict[str, object]) -> None:
    assert_upright(decode(saved(picture(), "JPEG2000", **options)).pixels)


def test_a_jpeg_2000_whose_two_headers_differ_is_damaged() -> None:
    content = bytearray(saved(picture(), "JPEG2000"))
    place = content.index(b"ihdr") + 4
    content[place : place + 8] = struct.pack(">II", HEIGHT, WIDTH // 2)
    assert reason_of(bytes(content)) is Reason.DAMAGED
    content[place : place + 8] = struct.pack(">II", HEIGHT, WIDTH)
    place = content.index(b"\xff\x4f\xff\x51") + 8
    content[place : place + 8] = struct.pack(">II", 60_000, 60_000)
    assert reason_of(bytes(content)) is Reason.DAMAGED


@pytest.mark.parametrize(
    "kind",
    [
        "JPEG",
        "CMYK",
        "PNG",
        "P",
        "WEBP",
        "HEIF",
        "AVIF",
        "TIFF",
        "GIF",
        "BMP",
        "JPEG2000",
        "16",
        "48",
        "RGBA",
    ],
)
def test_what_is_larger_than_is_decoded_comes_reduced(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(other_pixels, "MOST_PIXELS", 100_000)
    monkeypatch.setattr(other_pixels, "MOST_JPEG2000_PIXELS", 50_000)
    source = picture().resize((576, 384), Image.Resampling.NEAREST)
    if kind == "16":
        content = saved(Image.fromarray(np.asarray(source.convert("L")).astype(np.uint16) * 257), "PNG")
    elif kind == "48":
        content = cv2.imencode(".png", np.asarray(source)[..., ::-1].astype(np.uint16) * 257)[1].tobytes()
    elif kind in {"CMYK", "P", "RGBA"}:
        content = saved(source.convert(kind), "JPEG" if kind == "CMYK" else "PNG")
    else:
        content = saved(source, kind)
    found = decode(content)
    assert (found.width, found.height) == (576, 384)
    found.enlarge(100)
    assert found.pixels.shape[0] * found.pixels.shape[1] <= 100_000
    assert found.scale[0] == pytest.approx(found.scale[1], abs=0.01)
    if kind != "16":
        assert_upright(found.pixels)
    assert max(decode(as_jpeg(content)).pixels.shape) == max(found.pixels.shape)


@pytest.mark.parametrize(
    ("name", "size"),
    [
        ("motion_photo", (500, 500)),
        ("phone_8160x6144", (8160, 6144)),
        ("no_end_marker", (500, 500)),
        ("xmp_orientation6", (500, 500)),
    ],
)
def test_what_failed_once(cases: Path, name: str, size: tuple[int, int]) -> None:
    try:
        found = decode((cases / f"{name}.jpg").read_bytes())
    except UnusablePhoto as error:
        pytest.fail(error.reason)
    assert (found.width, found.height) == size
