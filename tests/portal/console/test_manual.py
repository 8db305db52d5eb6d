"""The manual: `portal --help`, the help of each command, docs/command-line.md, and shell completion."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

import click
import pytest

from portal.cli import PARTS, main
from portal.console.exit_codes import MEANINGS
from tests.needs import missing
from tests.run.commands import portal

DOC = Path(__file__).parents[3] / "docs" / "command-line.md"
NAMES = main.list_commands(click.Context(main))
HEAVY = {"flask", "sqlalchemy", "alembic", "redis", "rich", "structlog"}


def documented() -> dict[str, str]:
    """The help texts in the documentation, by the words after `portal`."""
    blocks = re.findall(r"```text\n(Usage: portal(.*?)\n.*?)```", DOC.read_text(), re.DOTALL)
    return {usage.split("[OPTIONS]")[0].strip(): text for text, usage in blocks}


@pytest.mark.parametrize("name", ["", *NAMES])
def test_the_documentation_holds_the_help_as_it_is(tmp_path: Path, name: str) -> None:
    done = portal(tmp_path, *([name] if name else []), "--help")
    assert (done.returncode, done.stderr) == (0, "")
    assert documented()[name] == done.stdout


def test_the_documentation_holds_no_command_that_is_not_there() -> None:
    assert set(documented()) == {"", *NAMES}


def test_every_command_has_its_purpose_and_an_example() -> None:
    for part in PARTS.values():
        for listed in part:
            command = listed.load()
            assert command.name == listed.name
            assert (command.help or "").splitlines()[0] == listed.purpose
            assert f"portal {listed.name}" in (command.epilog or "")
            undescribed = [
                option.name
                for option in command.params
                if isinstance(option, click.Option) and not option.help
            ]
            assert undescribed == [], listed.name


def test_exit_codes_are_in_the_manual(tmp_path: Path) -> None:
    said = " ".join(portal(tmp_path, "--help").stdout.split())
    for code, meaning in MEANINGS.items():
        assert f"{code.value} {meaning}" in said
        assert f"| {code.value} | {meaning} |" in DOC.read_text()


def test_who_mistypes_a_command_is_told_what_is_near_it(tmp_path: Path) -> None:
    done = portal(tmp_path, "creat-user")
    assert (done.returncode, done.stdout) == (2, "")
    assert "Did you mean 'create-user'?" in done.stderr


def test_help_and_completion_load_no_library_that_takes_its_time() -> None:
    program = (
        "import sys\n"
        "from portal.cli import main\n"
        "main(['--help'], standalone_mode=False)\n"
        "main.shell_complete(main.make_context('portal', [], resilient_parsing=True), 'cre')\n"
        f"sys.exit(' '.join({HEAVY!r} & set(sys.modules)) or None)\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_a_script_completes_commands_in_the_shell(tmp_path: Path, shell: str) -> None:
    done = portal(tmp_path, "completion", shell)
    assert done.returncode == 0
    assert f"_PORTAL_COMPLETE={shell}_complete" in done.stdout
    assert list(tmp_path.iterdir()) == []


def test_bash_completes_commands_options_and_values(tmp_path: Path) -> None:
    bash = shutil.which("bash")
    if bash is None:
        missing("needs bash on the PATH")
    here = Path(sys.executable).parent
    program = f"""
        PATH={here}:$PATH
        eval "$(portal completion bash)"
        complete_words() {{
            COMP_WORDS=("$@") COMP_CWORD=$(($# - 1)) COMPREPLY=()
            _portal_completion portal
            echo "${{COMPREPLY[*]}}"
        }}
        complete_words portal cre
        complete_words portal create-user --pass
        complete_words portal create-user --role ""
    """
    done = subprocess.run([bash, "-c", program], capture_output=True, text=True, check=False, cwd=tmp_path)
    assert done.stdout.splitlines() == [
        "create-organization create-user create-api-key",
        "--password-env",
        "viewer operator admin",
    ]
