"""The `portal` command as a manual: commands in parts, each loaded when it is asked for.

What commands import takes two seconds; help and shell completion need none of it.
"""

from __future__ import annotations

import importlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import click
from click.shell_completion import CompletionItem

from portal.console.exit_codes import MEANINGS


@dataclass(frozen=True)
class Listed:
    """A command in the manual: its name, its module in portal/console/, and what it is for, in a line."""

    name: str
    module: str
    purpose: str

    def load(self) -> click.Command:
        module = importlib.import_module(f"portal.console.{self.module}")
        command: click.Command = getattr(module, f"{self.name.replace('-', '_')}_command")
        return command


class Manual(click.Group):
    """Commands by the parts of the manual, with errors shown in one line."""

    def __init__(self, *arguments: Any, parts: Mapping[str, Sequence[Listed]], **options: Any) -> None:
        super().__init__(*arguments, **options)
        self.parts = parts
        self._listed = {listed.name: listed for part in parts.values() for listed in part}

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(self._listed)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        listed = self._listed.get(cmd_name)
        return listed.load() if listed else None

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        try:
            return super().resolve_command(ctx, args)
        except click.exceptions.NoSuchCommand as error:
            # Again, with what could have been meant.
            raise click.exceptions.NoSuchCommand(
                error.command_name, possibilities=self._listed, ctx=ctx
            ) from error

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except (click.ClickException, click.exceptions.Exit, click.Abort):
            raise
        except Exception as error:
            from portal.console.errors import message_of

            message = message_of(error)
            if message is None:
                raise
            raise click.ClickException(message) from error

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        # One column for all parts.
        longest = max(map(len, self._listed))
        for title, part in self.parts.items():
            with formatter.section(title):
                formatter.write_dl([(listed.name.ljust(longest), listed.purpose) for listed in part])

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Exit codes"):
            formatter.write_dl([(str(int(code)), meaning) for code, meaning in MEANINGS.items()])
        super().format_epilog(ctx, formatter)

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[CompletionItem]:
        return [*self._completions(incomplete), *click.Command.shell_complete(self, ctx, incomplete)]

    def _completions(self, incomplete: str) -> Iterator[CompletionItem]:
        for listed in self._listed.values():
            if listed.name.startswith(incomplete):
                yield CompletionItem(listed.name, help=listed.purpose)
