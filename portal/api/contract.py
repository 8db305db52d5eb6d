"""The contract in OpenAPI 3.1, made from the views: their models, docstrings and scopes."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from copy import deepcopy
from inspect import signature
from typing import Any

from pydantic import BaseModel, ValidationError
from spectree import Response, SecurityScheme, SpecTree
from spectree.models import SecureType, SecuritySchemeData
from spectree.plugins.flask_plugin import FlaskPlugin

from portal.api.access import needs
from portal.api.etags import conditional
from portal.api.headers import Traits, describe
from portal.api.idempotency import once
from portal.api.problems import Problem, ProblemDetails, invalid, phrase_of
from portal.api.schemas import NoQuery
from portal.keys.models import Scope

View = Callable[..., Any]

DESCRIPTION = (
    "Everything that staff do on the pages, for other programs. Send an API key with every request: "
    "`Authorization: Bearer KEY`. Errors are problem details (RFC 9457)."
)


def _refuse(_request: Any, _response: Any, error: Any, _view: Any, _adapter: Any) -> None:
    if error is None:
        return
    raise invalid(error)


def _is_object(request: Any) -> bool:
    try:
        return isinstance(request.get_json(silent=True), dict)
    except RecursionError:
        return False  # nested too deeply to be read


class _Plugin(FlaskPlugin):
    """Leaves forms to the views, which read them piece by piece, and takes JSON by the letter."""

    def request_validation(self, request: Any, query: Any, json: Any, form: Any, *others: Any) -> None:
        if json is not None and not _is_object(request):
            raise Problem(400, "Send a JSON object, as application/json.")
        if request.method == "POST" and json is None and form is None and request.get_data():
            raise Problem(400, "This address takes no body: nothing of what was sent would be done.")
        super().request_validation(request, query, None, None, *others)  # type: ignore[no-untyped-call]
        if json is not None:
            # As JSON, and not what Python made of it: there a number is none of the texts that stand for one,
            # while moments and choices are texts.
            try:
                body = json.model_validate_json(request.get_data(), strict=True)
            except ValidationError as error:
                raise invalid(error) from error
            request.context = request.context._replace(json=body)

    def parse_path(self, route: Any, path_parameter_descriptions: Any) -> tuple[str, list[Any]]:
        path, parameters = super().parse_path(route, path_parameter_descriptions)
        for parameter in parameters:
            if parameter["schema"]["type"] == "integer":
                parameter["schema"] |= {"format": "int64", "minimum": 1, "maximum": 10**18 - 1}
        return path, parameters


spec = SpecTree(
    backend=_Plugin,
    title="Face Portal",
    version="1",
    description=DESCRIPTION,
    mode="strict",
    before=_refuse,
    validation_error_model=ProblemDetails,
    naming_strategy=lambda model: model.__name__,
    nested_naming_strategy=lambda _parent, child: child,
    security_schemes=[
        SecurityScheme(name="key", data=SecuritySchemeData(type=SecureType.HTTP, scheme="bearer"))
    ],
    security={"key": []},
)


_traits = Traits()


def document() -> dict[str, Any]:
    """The contract, for readers only."""
    return describe(deepcopy(spec.spec), _traits)


def operation(
    scope: Scope,
    tag: str,
    answers: dict[int, type[BaseModel] | None],
    *,
    query: type[BaseModel] = NoQuery,
    json: type[BaseModel] | None = None,
    form: type[BaseModel] | None = None,
    again: View | None = None,
    tagged: bool = False,
    file: Iterable[str] = (),
) -> Callable[[View], View]:
    """Declare what a view of the API needs and answers; it gets `query` and `json` as arguments, checked.

    form: the fields of a form with files, which the view reads by itself, piece by piece.
    again: for a POST that is in the audit trail, its answer once more, of the row whose id it gets
    (idempotency.once).
    tagged: its answers have an ETag, and its changes take If-Match (etags). file: media types of the file
    that it answers.
    """

    def declare(view: View) -> View:
        if tagged:
            _traits.tagged.add(view.__name__)
        if file:
            _traits.files[view.__name__] = file
        # Whatever a key does, its use is noted: the database may be busy.
        problems = {401, 403, 422, 429, 503}
        if any(name.endswith("_id") for name in signature(view).parameters):
            problems.add(404)
        if query is not NoQuery or json or form:
            problems.add(400)
        if json or form:
            problems |= {408, 413}
        if form:
            problems.add(507)
        responses = Response(
            **{f"HTTP_{status}": model for status, model in answers.items()}
            | {f"HTTP_{status}": (ProblemDetails, phrase_of(status)) for status in sorted(problems)}
        )
        validated: View = spec.validate(
            query=query,
            json=json,
            form=form,
            resp=responses,
            tags=[tag],
            operation_id=view.__name__,
        )(view)
        repeated = spec.validate(query=query, resp=responses)(again) if again else None
        checked: View = needs(scope)(once(conditional(validated), repeated))
        return checked

    return declare
