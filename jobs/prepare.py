"""Choose, try and store the face model before workers start: python -m jobs.prepare [--check].

What it has to say goes to standard error as it happens; the last line of standard output is JSON with
what was chosen. With --check nothing is stored.
"""

from __future__ import annotations

import argparse
import json
import sys

from jobs.face_model import choose, prepare_free_model
from jobs.faces.models import FaceModelError
from jobs.gallery.quantized import comparison_path
from portal import create_app, migrations
from portal.extensions import db
from portal.settings import Settings


def main() -> int:
    """Returns the exit status: 1 with a message on standard error if there is no model to work with."""
    parser = argparse.ArgumentParser(description="Choose, try and store the face model.")
    parser.add_argument("--check", action="store_true", help="store nothing")
    check = parser.parse_args().check
    settings = Settings.from_environment()
    app = create_app(settings)
    migrations.upgrade(app)
    try:
        with app.app_context():
            loaded = choose(db.session(), settings, _announce, store=not check)
            if not check:
                prepare_free_model(db.session(), settings, _announce)
    except FaceModelError as error:
        _announce(str(error))
        return 1
    print(
        json.dumps(
            {
                "model": loaded.row.name,
                "licence": loaded.row.licence,
                "remark": loaded.row.remark,
                "fingerprint": loaded.row.fingerprint,
                "dimension": loaded.engine.dimension,
                "device": loaded.engine.device,
                "provider": loaded.engine.provider,
                "precision": loaded.engine.precision,
                "comparison": comparison_path(),
            }
        )
    )
    return 0


def _announce(sentence: str) -> None:
    print(sentence, file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
