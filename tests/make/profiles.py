"""ICC profiles for tests, made on the spot."""

from __future__ import annotations

import struct

# Red, green and blue of Display P3 (SMPTE EG 432-1), adapted to the white of profiles, D50.
DISPLAY_P3 = ((0.5151, 0.2412, -0.0011), (0.2920, 0.6922, 0.0419), (0.1571, 0.0666, 0.7841))
D50 = (0.9642, 1.0, 0.8249)
# The curve of sRGB (IEC 61966-2-1), which Display P3 has too.
SRGB_CURVE = (2.4, 1 / 1.055, 0.055 / 1.055, 1 / 12.92, 0.04045)


def display_p3() -> bytes:
    """A profile as telephones embed it: three colours and a curve (ICC.1:2022, 8.3.3)."""
    text = "P3".encode("utf-16-be")
    words = b"mluc" + bytes(4) + struct.pack(">II2s2sII", 1, 12, b"en", b"US", len(text), 28) + text
    parametric = b"para" + bytes(4) + struct.pack(">HH", 3, 0) + _fixed(*SRGB_CURVE)
    tags = [(b"desc", words), (b"cprt", words), (b"wtpt", _xyz(D50))]
    tags += [
        (name + b"XYZ", _xyz(colour)) for name, colour in zip((b"r", b"g", b"b"), DISPLAY_P3, strict=True)
    ]
    tags += [(name + b"TRC", parametric) for name in (b"r", b"g", b"b")]
    return _profile(b"RGB ", tags)


def linear_grey() -> bytes:
    """A profile of grey pixels whose values are light (gamma 1): far lighter than in sRGB."""
    curve = b"curv" + bytes(4) + struct.pack(">I", 0)
    return _profile(b"GRAY", [(b"wtpt", _xyz(D50)), (b"kTRC", curve)])


def _profile(space: bytes, tags: list[tuple[bytes, bytes]]) -> bytes:
    table, body = struct.pack(">I", len(tags)), b""
    start = 128 + 4 + 12 * len(tags)
    for name, content in tags:
        table += name + struct.pack(">II", start + len(body), len(content))
        body += content + bytes(-len(content) % 4)
    header = struct.pack(">I4sI4s4s4s", start + len(body), bytes(4), 0x04300000, b"mntr", space, b"XYZ ")
    header += struct.pack(">6H", 2026, 1, 1, 0, 0, 0) + b"acsp" + bytes(28) + _fixed(*D50)
    return header.ljust(128, b"\0") + table + body


def _xyz(values: tuple[float, float, float]) -> bytes:
    return b"XYZ " + bytes(4) + _fixed(*values)


def _fixed(*values: float) -> bytes:
    return b"".join(struct.pack(">i", round(value * 65536)) for value in values)
