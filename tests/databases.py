"""On which databases a test runs."""

from __future__ import annotations

import pytest

# For tests whose `settings` are to name each of the databases that the portal knows.
on_both_databases = pytest.mark.parametrize("database", ["sqlite", "postgresql"], indirect=True)
on_postgresql = pytest.mark.parametrize("database", ["postgresql"], indirect=True)
