"""The columns of a list: chosen with --columns, or asked for."""

from __future__ import annotations

import click

from portal.batches.columns import Column, ReadColumn, columns_of
from portal.batches.manifest import UnclearColumns


def columns_in(text: str | None) -> list[Column] | None:
    """What --columns says; None without it. Raises click.BadParameter."""
    try:
        return columns_of(text or "")
    except ValueError as error:
        uses = ", ".join(use for use in Column if use.is_used)
        raise click.BadParameter(f"A column is one of {uses}, or -.", param_hint="--columns") from error


def question_of(unclear: UnclearColumns) -> str:
    """The columns with their first cells, and how to say what they are."""
    proposal = ",".join(column.use if column.use.is_used else "-" for column in unclear.columns)
    columns = "; ".join(f"{number}. {_shown(column)}" for number, column in enumerate(unclear.columns, 1))
    return (
        f"{unclear} The first cells: {columns}. Say what the columns are, from left to right, with "
        f"--columns; so far they are read as {proposal}."
    )


def _shown(column: ReadColumn) -> str:
    return f"{column.header or '(no header)'}: {' · '.join(column.samples) or 'empty'}"
