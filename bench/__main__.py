"""Everything that is measured: python -m bench [--models DIR] [--faces DIR] [--model NAME] [--photos N]."""

from __future__ import annotations

from bench import arguments, engine, whole
from bench.rows import show


def main() -> None:
    given = arguments.parse("Measure the engine and the whole portal.")
    show(
        [
            *engine.run(given.models, given.faces, given.model, given.photos),
            *whole.run(given.models, given.faces, given.model, given.photos),
        ]
    )


if __name__ == "__main__":
    main()
