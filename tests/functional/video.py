"""A video for Chromium's camera."""

from __future__ import annotations

from pathlib import Path

from PIL import Image

WIDTH, HEIGHT = 640, 480


def write_video(path: Path, photo: Path) -> None:
    """A photo in the middle of a grey picture, as a YUV4MPEG2 video of one frame: what Chromium reads."""
    with Image.open(photo) as face:
        side = min(WIDTH, HEIGHT)
        picture = Image.new("RGB", (WIDTH, HEIGHT), (128, 128, 128))
        picture.paste(face.convert("RGB").resize((side, side)), ((WIDTH - side) // 2, (HEIGHT - side) // 2))
    luma, blue, red = picture.convert("YCbCr").split()
    half = (WIDTH // 2, HEIGHT // 2)
    planes = b"".join(plane.tobytes() for plane in (luma, blue.resize(half), red.resize(half)))
    path.write_bytes(f"YUV4MPEG2 W{WIDTH} H{HEIGHT} F10:1 Ip A1:1 C420jpeg\nFRAME\n".encode() + planes)
