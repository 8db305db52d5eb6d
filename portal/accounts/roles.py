"""What members may do: permissions, and the roles that have them."""

from __future__ import annotations

from enum import StrEnum

from portal.accounts.models import Role


class Permission(StrEnum):
    VIEW = "view"
    SEARCH = "search"
    ENROL = "enrol"
    MANAGE = "manage"


ROLES_WITH: dict[Permission, frozenset[Role]] = {
    Permission.VIEW: frozenset(Role),
    Permission.SEARCH: frozenset(Role),
    Permission.ENROL: frozenset({Role.OPERATOR, Role.ADMIN}),
    Permission.MANAGE: frozenset({Role.ADMIN}),
}
