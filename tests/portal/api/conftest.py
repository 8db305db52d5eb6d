"""Programs that use the API."""

from __future__ import annotations

import pytest
from flask import Flask

from portal.keys.models import Scope
from portal.organizations.models import Organization
from tests.program import Program, program


@pytest.fixture
def registry(app: Flask, clinic: Organization) -> Program:
    """A program of the clinic that may do everything."""
    return program(app, clinic, Scope.ADMIN)


@pytest.fixture
def outsider(app: Flask, school: Organization) -> Program:
    """A program of another organization that may do everything there."""
    return program(app, school, Scope.ADMIN)
