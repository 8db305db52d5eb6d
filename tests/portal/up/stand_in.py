"""A supervisor over small stand-in programs, run as a process of its own by test_supervisor.py.

Usage: stand_in.py LOG_FOLDER NAME=STAGE:CODE… with CODE run by Python.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

from portal.up.children import Program, Stage
from portal.up.supervisor import StopRequested, Supervisor


def say(line: str) -> None:
    print(line, flush=True)


def main() -> None:
    folder, *programs = sys.argv[1:]
    try:
        with Supervisor(say, os.environ, Path(folder)) as supervisor:
            for argument in programs:
                name, _, rest = argument.partition("=")
                stage, _, code = rest.partition(":")
                command = [sys.executable, "-c", code]
                if Stage[stage] == Stage.ERRAND:
                    say(f"errand ended with {supervisor.run(Program(name, command, Stage.ERRAND), say)}")
                else:
                    supervisor.keep(
                        Program(
                            name,
                            command,
                            Stage[stage],
                            grace_s={"deaf": 1.0, "patient": 3600.0}.get(name, 60.0),
                        )
                    )
            say("all started")
            supervisor.serve(lambda: False)
    except StopRequested:
        say("stopped")


if __name__ == "__main__":
    main()
