"""`portal completion`: what a shell needs to complete commands and options with the Tab key."""

from __future__ import annotations

import click
from click.shell_completion import get_completion_class

from portal.console.options import example

SHELLS = ("bash", "zsh", "fish")


@click.command("completion", epilog=example('eval "$(portal completion bash)"'))
@click.argument("shell", type=click.Choice(SHELLS))
@click.pass_context
def completion_command(context: click.Context, shell: str) -> None:
    """Print the script that completes commands in your shell.

    Commands, options and their values are completed; nothing is looked up in the portal's data.
    """
    found = get_completion_class(shell)
    assert found is not None
    root = context.find_root()
    name = root.info_name or "portal"
    click.echo(found(root.command, {}, name, f"_{name.upper()}_COMPLETE").source())
