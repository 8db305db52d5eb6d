"""Webhooks in words for staff: events, what an endpoint does, what became of a delivery."""

from __future__ import annotations

from dataclasses import dataclass
from http import HTTPStatus

from portal.webhooks.models import (
    TEST,
    DeliveryState,
    Event,
    OffReason,
    WebhookDelivery,
    WebhookEndpoint,
    WebhookEvent,
)
from portal.webhooks.sending import TIMEOUT_S, Problem

EVENTS: dict[str, str] = {
    Event.PERSON_ENROLLED: "All photos that came with a person are processed.",
    Event.PHOTO_FAILED: "A photo can’t be used.",
    Event.BATCH_DONE: "A batch has nothing left to do.",
    Event.DUPLICATE_FOUND: "Two people may be one.",
    Event.DUPLICATE_DECIDED: "Someone decided about two people.",
    Event.SCAN_DONE: "A scan of all people has ended.",
    Event.SEARCH_DONE: "A search has its result.",
    TEST: "A test.",
}

# What happened, and what to do next.
OFF: dict[OffReason, tuple[str, str]] = {
    OffReason.STAFF: ("This webhook is switched off.", ""),
    OffReason.GONE: (
        "This webhook was switched off: its address answered that it is gone for good.",
        "Ask whoever runs the receiver for the new address, change it here, and switch the webhook on.",
    ),
    OffReason.FAILING: (
        "This webhook was switched off: its address had taken nothing for five days.",
        "The deliveries below say why. When the receiver is back, switch the webhook on.",
    ),
    OffReason.KEY_CHANGED: (
        "This webhook was switched off: the portal has another secret key and can’t sign any more.",
        "Replace the secret, give the new one to the receiver, and switch the webhook on.",
    ),
}
KEPT = "What happens is kept for up to 30 days and sent when it is on again."

STATES: dict[DeliveryState, tuple[str, str]] = {
    DeliveryState.WAITING: ("Waiting", "neutral"),
    DeliveryState.DELIVERED: ("Delivered", "success"),
    DeliveryState.GIVEN_UP: ("Given up", "danger"),
}

PROBLEMS: dict[Problem, str] = {
    Problem.NOT_HTTPS: "Not sent: the address does not begin with https://.",
    Problem.UNKNOWN_NAME: "The name in the address is not known.",
    Problem.PRIVATE_ADDRESS: "Not sent: the address leads into a private network, which is not allowed here.",
    Problem.UNREACHABLE: "Nothing took the connection.",
    Problem.CERTIFICATE: "The certificate of the address is not valid for it.",
    Problem.TIMEOUT: f"No answer within {TIMEOUT_S:.0f} seconds.",
    Problem.BROKEN_OFF: "The connection broke off before an answer came.",
}


@dataclass(frozen=True)
class Condition:
    """What an endpoint does at the moment: a word, its colour, and what there is to say."""

    word: str
    kind: str
    title: str = ""
    text: str = ""


def condition_of(endpoint: WebhookEndpoint) -> Condition:
    """What an endpoint does at the moment."""
    if endpoint.off_reason is not None:
        title, text = OFF[endpoint.off_reason]
        by_staff = endpoint.off_reason == OffReason.STAFF
        return Condition("Off", "neutral" if by_staff else "danger", title, f"{text} {KEPT}".strip())
    if endpoint.failing_since is not None:
        return Condition(
            "Failing",
            "warning",
            "The last attempts failed.",
            "Events wait in their order until the first of them is taken; it is tried for three days, with "
            "longer and longer pauses. “Send a test event” tries at once.",
        )
    return Condition("On", "success")


def about(event: WebhookEvent) -> str:
    """What an event is about: "photo 8, person 7, no face"."""
    return ", ".join(_about(name, value) for name, value in event.data.items() if value is not None)


def _about(name: str, value: int | str | list[int]) -> str:
    if isinstance(value, list):
        return f"people {' and '.join(map(str, value))}"
    if isinstance(value, int):
        return f"{name.removesuffix('_id').replace('_', ' ')} {value}"
    return value.replace("_", " ")


def answer_of(delivery: WebhookDelivery) -> str:
    """What the last attempt was answered."""
    if delivery.problem is not None:
        return PROBLEMS[Problem(delivery.problem)]
    if delivery.status is None:
        return ""
    try:
        return f"{delivery.status} {HTTPStatus(delivery.status).phrase}"
    except ValueError:
        return str(delivery.status)
