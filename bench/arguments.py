"""The arguments that every measurement takes."""

from __future__ import annotations

import argparse
from pathlib import Path

# Face models that are no pack of InsightFace's.
WITHOUT_A_FOLDER = {"opencv", "dlib"}
BESIDE_THE_CHECKOUT = Path(__file__).resolve().parents[2] / "shared"


def parse(description: str) -> argparse.Namespace:
    """models, faces (folders that are there), model (names), photos and rows, from the command line."""
    parser = argparse.ArgumentParser(description=description.partition("\n")[0])
    parser.add_argument(
        "--models", type=Path, default=BESIDE_THE_CHECKOUT / "models", help="the folder that holds the packs"
    )
    parser.add_argument(
        "--faces",
        type=Path,
        default=BESIDE_THE_CHECKOUT / "faces" / "lfw",
        help="photos, one folder a person",
    )
    parser.add_argument(
        "--model",
        nargs="+",
        default=["mbf"],
        help="a pack in that folder, opencv or dlib; several are measured beside each other",
    )
    parser.add_argument("--photos", type=int, help="use only so many photos")
    parser.add_argument("--rows", type=int, default=100_000, help="synthetic photos of the largest batch")
    given = parser.parse_args()
    packs = [given.models / name for name in given.model if name not in WITHOUT_A_FOLDER]
    for folder in (*packs, given.faces):
        if not folder.is_dir():
            parser.error(f"{folder} is not there: name the folders with --models and --faces")
    return given
