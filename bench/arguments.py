"""The arguments that every measurement takes."""

from __future__ import annotations

import argparse
from pathlib import Path

BESIDE_THE_CHECKOUT = Path(__file__).resolve().parents[2] / "shared"


def parse(description: str) -> argparse.Namespace:
    """models, faces (folders that are there), model, photos and rows, from the command line."""
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
    parser.add_argument("--model", default="mbf", help="name of the pack")
    parser.add_argument("--photos", type=int, help="use only so many photos")
    parser.add_argument("--rows", type=int, default=100_000, help="synthetic photos of the largest batch")
    given = parser.parse_args()
    for folder in (given.models / given.model, given.faces):
        if not folder.is_dir():
            parser.error(f"{folder} is not there: name the folders with --models and --faces")
    return given
