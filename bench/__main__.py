"""Everything that is measured.

python -m bench [--models DIR] [--faces DIR] [--model NAME …] [--photos N] [--rows N]
"""

from __future__ import annotations

from bench import accuracy, api, arguments, bulk, engine, pairs, photos, report, slow_clients, whole
from bench.rows import show


def main() -> None:
    given = arguments.parse(
        "Measure the engine, odd photos, the whole portal, pairs, reports, the API, slow clients, batches."
    )
    show(
        [
            *engine.run(given.models, given.faces, given.model, given.photos),
            *photos.run(given.models, given.faces, given.model, given.photos),
            *whole.run(given.models, given.faces, given.model[0], given.photos),
            *accuracy.run(given.models, given.faces, given.model),
            *pairs.run(),
            *report.run(),
            *api.run(given.models, given.faces, given.model[0], given.photos),
            *slow_clients.run(given.models, given.faces, given.model[0]),
            *bulk.run(given.models, given.faces, given.model[0], given.photos, given.rows),
        ]
    )


if __name__ == "__main__":
    main()
