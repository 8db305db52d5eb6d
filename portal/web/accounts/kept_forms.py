"""Forms whose session has ended: what was typed goes on when the same member signs in, and with nobody else.

The token of a form says by whom and under which organization it was opened, signed by the portal. Only that
member is shown anything of the form again. Nothing is stored: what was typed travels with the sign-in form.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass

from flask import current_app, render_template, request, session
from flask_login import current_user
from itsdangerous import BadData, URLSafeTimedSerializer
from werkzeug.exceptions import HTTPException, RequestEntityTooLarge

from portal.accounts.models import User
from portal.http.bodies import FORM_S, Body
from portal.http.uploads import parts_of
from portal.web.accounts.access import current_membership
from portal.web.accounts.forms import SignInForm

# As Flask-WTF signs the tokens of forms.
SALT = "wtf-csrf-token"
TOKEN = "csrf_token"  # noqa: S105
FORM_TOKEN, FORM_ACTION, FORM_FIELDS = "form_token", "form_action", "form_fields"
MAX_FIELDS = 200

Fields = Sequence[tuple[str, str]]


@dataclass(frozen=True)
class Owner:
    """By whom a form was opened, and under which organization."""

    user_id: int
    organization_id: int | None

    @classmethod
    def of_token(cls, token: str) -> Owner | None:
        """The owner of a form with this token; None if the portal did not make it, or for nobody."""
        secret = current_app.config["SECRET_KEY"]
        try:
            value = URLSafeTimedSerializer(secret, salt=SALT).loads(token)
        except BadData:
            return None
        user_id, _, rest = str(value).partition(".")
        organization_id = rest.partition(".")[2]
        if not user_id.isdecimal() or not (organization_id.isdecimal() or organization_id == "-"):
            return None
        return cls(int(user_id), None if organization_id == "-" else int(organization_id))

    def is_here(self) -> bool:
        """Whether it is this member who is signed in, under this organization."""
        membership = current_membership()
        here = membership.organization_id if membership else None
        return self.is_user() and self.organization_id == here

    def is_user(self) -> bool:
        """Whether it is this user who is signed in."""
        return bool(current_user.is_authenticated and current_user.id == self.user_id)


def mark_forms(user: User, organization_id: int | None) -> None:
    """Have the forms of this session say whose they are: they are taken in each of this member's sessions.

    Until the password changes. `get_id` has the user's number and the version of their password.
    """
    organization = "-" if organization_id is None else str(organization_id)
    session[TOKEN] = f"{user.get_id()}.{organization}"


@dataclass(frozen=True)
class KeptForm:
    """What was typed into a form, and where it was to go."""

    owner: Owner
    token: str
    action: str
    fields: Fields
    # Files that came with it are not kept: nothing is stored for who is not signed in.
    had_files: bool = False

    @property
    def as_json(self) -> str:
        """The fields, as the sign-in form carries them."""
        return json.dumps([self.fields, self.had_files])

    @property
    def typed(self) -> list[tuple[str, str]]:
        """What to show of it: each field that has something, under its name in words."""
        return [
            (name.replace("_", " ").capitalize().replace(" id", " ID"), value)
            for name, value in self.fields
            if value.strip() and not name.startswith("shown_")
        ]


def of_request() -> KeptForm | None:
    """The form that this request brings, or with which its sign-in form travels; None: nothing to keep.

    Forms about the account itself carry passwords, and are not kept.
    """
    if request.method != "POST":
        return None
    if request.endpoint == "accounts.sign_in":
        return _carried()
    if request.blueprint == "accounts":
        return None
    fields, had_files = _fields()
    tokens = [value for name, value in fields if name == TOKEN]
    owner = Owner.of_token(tokens[0]) if tokens else None
    if owner is None:
        return None
    kept = [(name, value) for name, value in fields if name != TOKEN]
    action = request.full_path.rstrip("?")
    if not _is_action(action) or not (kept or had_files):
        return None
    return KeptForm(owner, tokens[0], action, kept, had_files)


def _carried() -> KeptForm | None:
    """The form that travels with this request's sign-in form."""
    token = request.form.get(FORM_TOKEN, "")
    owner = Owner.of_token(token)
    action = request.form.get(FORM_ACTION, "")
    if owner is None or not _is_action(action):
        return None
    try:
        fields, had_files = json.loads(request.form.get(FORM_FIELDS) or "[[], false]")
        kept = [(str(name), str(value)) for name, value in fields[:MAX_FIELDS]]
    except (ValueError, TypeError, RecursionError):
        return None
    return KeptForm(owner, token, action, kept, bool(had_files))


def _is_action(action: str) -> bool:
    """Whether a form may go there: a path of this portal that takes forms, and none about the account."""
    if not action.startswith("/") or action.startswith("//") or "\\" in action or not action.isprintable():
        return False
    adapter = current_app.url_map.bind("")
    try:
        endpoint, _ = adapter.match(action.partition("?")[0], method="POST")
    except HTTPException:
        return False
    return not endpoint.startswith("accounts.")


def _fields() -> tuple[Fields, bool]:
    """The fields of this request's form, and whether there are files.

    Who is not signed in can't send many photos. Of a form that is too large for them the fields before the
    first photo are read, and the rest is read over, so that the browser reads the answer.
    """
    try:
        return list(request.form.items(multi=True)), any(file.filename for file in request.files.values())
    except RequestEntityTooLarge:
        return _fields_before_files(), True


def _fields_before_files() -> Fields:
    fields: list[tuple[str, str]] = []
    stream = Body(request.environ["wsgi.input"], FORM_S)
    try:
        for part in parts_of(request, stream):
            if part.file_name is not None:
                if not _is_signed(fields):
                    break
                part.skip()
            elif len(fields) < MAX_FIELDS:
                fields.append((part.name, part.text()))
    except HTTPException:
        pass  # what came of it has been read; the answer is the same
    return fields


def _is_signed(fields: Fields) -> bool:
    return any(name == TOKEN and Owner.of_token(value) is not None for name, value in fields)


def answer() -> tuple[str, int] | None:
    """The page for a form whose session is not this one; None if it has nothing that this visitor may see."""
    kept = of_request()
    if kept is None:
        return None
    if not current_user.is_authenticated:
        return sign_in_page(SignInForm(formdata=None), kept), 400
    if kept.owner.is_here():
        return go_on_page(kept), 400
    if kept.owner.is_user():
        return render_template("accounts/other_organization.html", kept=kept), 400
    return None


def sign_in_page(form: SignInForm, kept: KeptForm | None, refused: str = "") -> str:
    """The sign-in page; with a form, which goes on after it."""
    return render_template("accounts/sign_in.html", form=form, kept=kept, refused=refused)


def go_on_page(kept: KeptForm) -> str:
    """The form again, for its owner, to be sent by a click."""
    return render_template("accounts/go_on.html", kept=kept)
