"""How Alembic reaches the portal's tables; run by `portal` commands and by `flask db`."""

from __future__ import annotations

from alembic import context

# Imported so that their tables are in the metadata.
from portal.audit import models as _audit  # noqa: F401
from portal.batches import models as _batches  # noqa: F401
from portal.calibration import models as _calibration  # noqa: F401
from portal.database import Base
from portal.examination import models as _examination  # noqa: F401
from portal.extensions import db
from portal.keys import models as _keys  # noqa: F401
from portal.pairs import models as _duplicates  # noqa: F401
from portal.search import models as _search  # noqa: F401


def migrate() -> None:
    """Migrate over the app's own connection, all steps in one transaction where the database can."""
    with db.engine.connect() as connection:
        context.configure(
            connection=connection,
            target_metadata=Base.metadata,
            # SQLite can't alter a table in place: it is copied.
            render_as_batch=connection.dialect.name == "sqlite",
            compare_type=True,
        )
        with context.begin_transaction():
            context.run_migrations()
        connection.commit()


migrate()
