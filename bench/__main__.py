"""Everything that is measured: python -m bench [--models DIR] [--faces DIR] [--model NAME] [--photos N]."""

from __future__ import annotations

import argparse
from pathlib import Path

from bench import engine, whole
from bench.rows import show

BESIDE_THE_CHECKOUT = Path(__file__).resolve().parents[2] / "shared"


def main() -> None:
    parser = argparse.ArgumentParser(description="Measure the engine and the whole portal.")
    parser.add_argument("--models", type=Path, default=BESIDE_THE_CHECKOUT / "models")
    parser.add_argument("--faces", type=Path, default=BESIDE_THE_CHECKOUT / "faces" / "lfw")
    parser.add_argument("--model", default="mbf", help="name of the pack")
    parser.add_argument("--photos", type=int, help="use only so many photos")
    given = parser.parse_args()
    for folder in (given.models / given.model, given.faces):
        if not folder.is_dir():
            parser.error(f"{folder} is not there: name the folders with --models and --faces")
    show(
        [
            *engine.run(given.models, given.faces, given.model, given.photos),
            *whole.run(given.models, given.faces, given.model, given.photos),
        ]
    )


if __name__ == "__main__":
    main()
