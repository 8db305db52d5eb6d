"""The forms of accounts and members."""

from __future__ import annotations

from flask_wtf import FlaskForm
from wtforms import PasswordField, RadioField, SelectField, StringField
from wtforms.fields.choices import SelectChoice  # type: ignore[attr-defined]  # newer than its types
from wtforms.validators import EqualTo, InputRequired

from portal.accounts.models import Role
from portal.installation.models import LicenceChoice
from portal.setting_up.licensing import Licence

# What a role may do, in the words of the members page and of the choice in its forms.
ROLES: dict[Role, str] = {
    Role.VIEWER: "Look at people and past searches, and search by photo.",
    Role.OPERATOR: "All that, and enrol, change and delete people and their photos.",
    Role.ADMIN: "All that, and manage members and settings, and read the audit.",
}

ROLE_CHOICES = [SelectChoice(role.value, role.value.capitalize()) for role in Role]
PRESENT_PASSWORD = {"autocomplete": "current-password"}
NEW_PASSWORD = {"autocomplete": "new-password"}


def typed(field: StringField) -> str:
    """What was typed into a field; nothing is the empty text."""
    return field.data or ""


class SignInForm(FlaskForm):  # type: ignore[misc]
    email = StringField(
        "Email",
        validators=[InputRequired("Enter your email address.")],
        render_kw={"type": "email", "autocomplete": "username", "spellcheck": "false"},
    )
    password = PasswordField(
        "Password", validators=[InputRequired("Enter your password.")], render_kw=PRESENT_PASSWORD
    )


class NewPasswordForm(FlaskForm):  # type: ignore[misc]
    """A new password, typed twice."""

    password = PasswordField(
        "Password", validators=[InputRequired("Enter a password.")], render_kw=NEW_PASSWORD
    )
    password_again = PasswordField(
        "Password again",
        validators=[EqualTo("password", "The two passwords are not the same. Type both again.")],
        render_kw=NEW_PASSWORD,
    )


class FirstRunForm(NewPasswordForm):
    code = StringField(
        "One-time code",
        validators=[InputRequired("Enter the code that was printed where the portal was started.")],
        render_kw={"autocomplete": "off", "spellcheck": "false", "autocapitalize": "characters"},
    )
    organization = StringField(
        "Organization",
        validators=[InputRequired("Enter the name of the organization.")],
        render_kw={"autocomplete": "organization"},
    )
    email = StringField(
        "Your email",
        validators=[InputRequired("Enter your email address.")],
        render_kw={"type": "email", "autocomplete": "username", "spellcheck": "false"},
    )


class ConfirmedLicenceForm(FirstRunForm):
    """The first run with a face model whose licence does not allow every use."""

    licence = RadioField(
        "How may you use it?",
        validate_choice=False,
        validators=[InputRequired("Choose one, so that no one uses the model without the right to.")],
    )

    def offer(self, licence: Licence) -> None:
        """Ask about this licence."""
        self.licence.choices = [
            SelectChoice(choice.value, choice_words(licence, choice)) for choice in licence.choices
        ]


def choice_words(licence: Licence, choice: LicenceChoice) -> str:
    """What the installer says with an answer."""
    return {
        LicenceChoice.RESEARCH: "We use the portal for non-commercial research only.",
        LicenceChoice.LICENSED: f"We have a licence of our own for {licence.model.name}.",
        LicenceChoice.DECLINED: "Neither: go on with YuNet and SFace, which are free for any use.",
    }[choice]


class ChangePasswordForm(FlaskForm):  # type: ignore[misc]
    current = PasswordField(
        "Current password",
        validators=[InputRequired("Enter your current password.")],
        render_kw=PRESENT_PASSWORD,
    )
    password = PasswordField(
        "New password", validators=[InputRequired("Enter a new password.")], render_kw=NEW_PASSWORD
    )
    password_again = PasswordField(
        "New password again",
        validators=[EqualTo("password", "The two passwords are not the same. Type both again.")],
        render_kw=NEW_PASSWORD,
    )


class ConfirmPasswordForm(FlaskForm):  # type: ignore[misc]
    """The password of someone who has an account."""

    password = PasswordField(
        "Your password", validators=[InputRequired("Enter your password.")], render_kw=PRESENT_PASSWORD
    )


class InviteForm(FlaskForm):  # type: ignore[misc]
    email = StringField(
        "Email",
        validators=[InputRequired("Enter the email address of the person to invite.")],
        render_kw={"type": "email", "autocomplete": "off", "spellcheck": "false"},
    )
    role = RadioField("Role", choices=ROLE_CHOICES, default=Role.VIEWER.value)


class RoleForm(FlaskForm):  # type: ignore[misc]
    role = SelectField("Role", choices=ROLE_CHOICES)
