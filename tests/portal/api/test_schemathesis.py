"""The contract against the API itself: what it allows and forbids is sent, and the answers are as it says."""

from __future__ import annotations

import json
from collections import Counter
from threading import Event
from typing import Any

import pytest
import schemathesis
from flask import Flask
from hypothesis import HealthCheck, Phase, given, seed, settings
from schemathesis import GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import negative_data_rejection, positive_data_acceptance

from portal import waiting
from portal.extensions import db
from portal.organizations.models import Organization
from tests.make.people import add_person, add_photo
from tests.make.searches import add_search
from tests.portal.api.test_contract import PROMISED
from tests.program import Program

CONTRACT = json.loads(PROMISED.read_text())
OPERATIONS = sorted((method, path) for path, methods in CONTRACT["paths"].items() for method in methods)
EXAMPLES = 8
SEQUENCES = 10
REPEATABLE = settings(derandomize=True, deadline=None, database=None, suppress_health_check=list(HealthCheck))
# What a schema can't say is refused as well: an external ID is in use, a face is one of another photo.
# That no worker is free (503) is for the contract, not for these checks, an answer like others.
NOT_ASKED = [positive_data_acceptance, not_a_server_error]


@pytest.fixture
def rows(app: Flask, clinic: Organization) -> None:
    """Somebody to ask for: low numbers are tried most."""
    with app.app_context():
        for name in ("Anna", "Berta", "Cleo"):
            photo = add_photo(db.session(), add_person(db.session(), clinic, name, name))
            add_search(db.session(), clinic, candidates=(photo,))


@pytest.fixture
def no_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is waited for, as when the server stops: no worker is there."""
    stopping = Event()
    stopping.set()
    monkeypatch.setattr(waiting, "_stopping", stopping)


@pytest.mark.parametrize("mode", list(GenerationMode), ids=lambda mode: mode.value)
@pytest.mark.parametrize(("method", "path"), OPERATIONS, ids=lambda part: part.removeprefix("/api/v1"))
def test_every_answer_is_one_that_the_contract_names(
    method: str, path: str, mode: GenerationMode, app: Flask, registry: Program, rows: None, no_waits: None
) -> None:
    schema = schemathesis.openapi.from_dict(CONTRACT)
    schema.app = app
    headers = registry.headers | {"Accept-Encoding": "identity"}
    excluded = [*NOT_ASKED]
    if "multipart/form-data" in CONTRACT["paths"][path][method].get("requestBody", {}).get("content", {}):
        # A form has no numbers: what was to be a wrong type comes as text.
        excluded.append(negative_data_rejection)

    @settings(max_examples=EXAMPLES, parent=REPEATABLE)
    @given(case=schema[path][method.upper()].as_strategy(generation_mode=mode))
    def answered(case: Any) -> None:
        assert case.call_and_validate(headers=headers, excluded_checks=excluded).status_code != 500

    answered()


def test_what_one_answer_names_is_asked_for_in_the_next(
    app: Flask, registry: Program, rows: None, no_waits: None
) -> None:
    schema = schemathesis.openapi.from_dict(CONTRACT)
    schema.app = app
    headers = registry.headers | {"Accept-Encoding": "identity"}
    schema.config.generation.update(modes=[GenerationMode.POSITIVE])
    answered = Counter[tuple[str, int]]()

    class Sequences(schema.as_state_machine()):  # type: ignore[misc]
        """Operations one after the other, with the ids that the answers before them had."""

        def before_call(self, case: Any) -> None:
            # Made from its pattern it may end in a line break, which nobody can send.
            case.headers.pop("X-Request-Id", None)

        def get_call_kwargs(self, case: Any) -> dict[str, Any]:
            return {"headers": headers}

        def validate_response(self, response: Any, case: Any, *_: Any, **__: Any) -> None:
            answered[f"{case.method} {case.path}", response.status_code] += 1
            case.validate_response(
                response, headers=headers, excluded_checks=[*NOT_ASKED, negative_data_rejection]
            )
            assert response.status_code != 500

    few = settings(REPEATABLE, max_examples=2, stateful_step_count=12, derandomize=False)
    # Each by itself: hypothesis would take what the ones before have changed for chance.
    for number in range(SEQUENCES):
        seed(number)(Sequences).run(settings=settings(few, phases=[Phase.generate]))
    # Else nothing followed on anything.
    assert any("{" in asked and status < 300 for asked, status in answered)
