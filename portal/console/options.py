"""The options that commands share, and the end of their help."""

from __future__ import annotations

from pathlib import Path

import click

data_dir_option = click.option(
    "--data-dir",
    type=click.Path(file_okay=False, path_type=Path),
    help="The folder for everything the portal keeps.  [default: PORTAL_DATA_DIR, or data]",
)
organization_option = click.option("--organization", "slug", required=True, help="The organization's slug.")
json_option = click.option(
    "--json", "as_json", is_flag=True, help="Print what was done as one JSON object, for programs."
)


def example(*lines: str) -> str:
    """The end of a command's help."""
    return "\n".join(["\b", "Example:", *(f"  {line}" for line in lines)])
