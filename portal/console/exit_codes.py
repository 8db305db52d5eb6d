"""With what a command ends: the same numbers for every command, for whoever calls it from a script."""

from __future__ import annotations

from enum import IntEnum


class ExitCode(IntEnum):
    """How a command ended."""

    DONE = 0
    # Click's own, for every click.ClickException; doctor, where something is to be done.
    FAILED = 1
    # Click's own: an unknown command or option, a missing argument, a value that can't be.
    WRONG_USE = 2
    PARTLY = 3


MEANINGS = {
    ExitCode.DONE: "Done. What was asked for while the portal is not up is kept, and done when it starts.",
    ExitCode.FAILED: "Refused, failed or interrupted: standard error says why. Doctor: something is to do.",
    ExitCode.WRONG_USE: "Wrong use: an unknown command or option, or a value that can't be.",
    ExitCode.PARTLY: "Done, but something could not be taken: the output says what.",
}
