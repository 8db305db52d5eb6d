"""docs/webhooks.md: its receiver does what it says, and its table has every event."""

from __future__ import annotations

import dataclasses
import os
import re
import socket
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from flask import Flask
from sqlalchemy.orm import Session

from portal.organizations.models import Organization
from portal.webhooks import services
from portal.webhooks.models import TEST, DeliveryState, Event
from tests.make.people import TESTER
from tests.make.webhooks import add_endpoint, deliveries, happen, states
from tests.run.delivering import deliver_due
from tests.run.programs import Running
from tests.waiting import wait_until

TEXT = (Path(__file__).parent.parent / "docs" / "webhooks.md").read_text()


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port: int = taken.getsockname()[1]
        return port


def listens(port: int) -> bool:
    with socket.socket() as one:
        return one.connect_ex(("127.0.0.1", port)) == 0


@contextmanager
def documented_receiver(port: int, secret: str, folder: Path) -> Iterator[Running]:
    (program,) = re.findall(r"```python\n(.*?)```", TEXT, re.DOTALL)
    (folder / "receiver.py").write_text(program)
    command = [sys.executable, str(folder / "receiver.py"), str(port)]
    running = Running(command, {**os.environ, "WEBHOOK_SECRET": secret})
    try:
        wait_until(lambda: listens(port), "the receiver")
        yield running
    finally:
        running.close()


def test_the_receiver_takes_each_genuine_event_once(
    app: Flask, session: Session, clinic: Organization, tmp_path: Path
) -> None:
    app.config["PORTAL"] = dataclasses.replace(app.config["PORTAL"], webhook_private_addresses=True)
    port = free_port()
    endpoint = add_endpoint(session, clinic, f"http://127.0.0.1:{port}/")
    with documented_receiver(port, endpoint.secret, tmp_path) as running:
        happen(session, clinic, 7)
        deliver_due(app, session)
        services.replay(session, TESTER, endpoint.row, deliveries(session, endpoint)[0])
        services.send_test(session, TESTER, endpoint.row)
        deliver_due(app, session)
        running.until(f"test {{'endpoint_id': {endpoint.id}}}")
        printed = [line for line in running.output if line.startswith(("search", "test"))]
        assert printed == ["search.done {'search_id': 7, 'state': 'done'}", printed[-1]]
        assert states(session, endpoint) == [DeliveryState.DELIVERED] * 3
    with documented_receiver(port, "whsec_c29tZW9uZSBlbHNl", tmp_path):
        happen(session, clinic, 8)
        deliver_due(app, session)
        assert deliveries(session, endpoint)[-1].status == 401


def test_every_event_is_in_the_table() -> None:
    first_column = re.findall(r"^\| `([a-z.]+)` \|", TEXT, re.MULTILINE)
    assert first_column == ["type", *(event.value for event in Event), TEST]
