"""The client against docs/openapi.json: all operations, all fields, for both clients alike."""

from __future__ import annotations

import inspect
import json
from collections.abc import Callable
from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import Any, get_args

import pytest
from portal_client.operations import batches, duplicates

from portal_client import AsyncClient, Client, models

CONTRACT: dict[str, Any] = json.loads((Path(__file__).parents[2] / "docs" / "openapi.json").read_text())
OPERATIONS = {one["operationId"]: one for methods in CONTRACT["paths"].values() for one in methods.values()}
MODELS = {name: kind for name, kind in vars(models).items() if is_dataclass(kind)}
# What comes in the headers.
OF_HEADERS = {"etag"}
# The client's own business.
NOT_PARAMETERS = {"cursor", "idempotency_key", "if_none_match", "x_request_id"}


def method(kind: type, name: str) -> Callable[..., Any]:
    found: Callable[..., Any] = getattr(kind, name)
    return found


@pytest.mark.parametrize("name", OPERATIONS)
def test_every_operation_is_there_with_all_that_it_takes(name: str) -> None:
    signatures = [inspect.signature(method(kind, name)) for kind in (Client, AsyncClient)]
    assert signatures[0].parameters == signatures[1].parameters
    taken = set(signatures[0].parameters)
    one = OPERATIONS[name]
    wanted = {resolved(parameter)["name"].lower().replace("-", "_") for parameter in one["parameters"]}
    for content in one.get("requestBody", {}).get("content", {}).values():
        wanted |= set(resolved(content["schema"])["properties"])
    assert wanted - NOT_PARAMETERS <= taken
    assert inspect.getdoc(method(Client, name)) == inspect.getdoc(method(AsyncClient, name))


@pytest.mark.parametrize("name", [name for name in MODELS if name in CONTRACT["components"]["schemas"]])
def test_every_field_of_a_model_is_there(name: str) -> None:
    schema = CONTRACT["components"]["schemas"][name]
    assert {field.name for field in fields(MODELS[name])} - OF_HEADERS == set(schema["properties"])


def test_every_answer_has_a_model() -> None:
    answers = {
        content["schema"]["$ref"].split("/")[-1]
        for one in OPERATIONS.values()
        for status, response in one["responses"].items()
        if status.startswith("2")
        for content in response.get("content", {}).values()
        if "$ref" in content["schema"]
    }
    lists = {
        name for name in answers if "next_cursor" in CONTRACT["components"]["schemas"][name]["properties"]
    }
    assert answers - lists <= set(MODELS)


def resolved(schema: dict[str, Any]) -> dict[str, Any]:
    """What a reference refers to."""
    if "$ref" not in schema:
        return schema
    _, _, kind, name = schema["$ref"].split("/")
    found: dict[str, Any] = CONTRACT["components"][kind][name]
    return found


@pytest.mark.parametrize(
    ("words", "name"),
    [
        (batches.Choice, "Choice"),
        (batches.Grouping, "Grouping"),
        (batches.Label, "Label"),
        (batches.Known, "KnownPeople"),
        (batches.ItemState, "ItemState"),
        (duplicates.Status, "PairStatus"),
        (duplicates.Decision, "Decision"),
    ],
)
def test_words_that_may_be_sent_are_those_of_the_contract(words: Any, name: str) -> None:
    assert list(get_args(words)) == CONTRACT["components"]["schemas"][name]["enum"]
