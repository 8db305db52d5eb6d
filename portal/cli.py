"""The `portal` command. Every command works whether the portal is up or not."""

from __future__ import annotations

import logging
import os

import click

from portal.console.group import Listed, Manual

PARTS = {
    "The portal": [
        Listed("up", "installation", "Start everything in one: Redis, workers and web server."),
        Listed("doctor", "installation", "Check every part of the portal: ok, or what to do."),
        Listed("licence", "installation", "Show what the licence of the face model allows, or answer it."),
    ],
    "Organizations, users and keys": [
        Listed("create-organization", "organizations", "Add an organization, and print its slug."),
        Listed("create-user", "accounts", "Add a user to an organization."),
        Listed("set-password", "accounts", "Give a user who forgot theirs a new password."),
        Listed("create-api-key", "keys", "Make an API key for another program, and print it."),
    ],
    "People and photos": [
        Listed("import", "importing", "Enrol many: from photos, an export or another system."),
        Listed("export", "exporting", "Write all of an organization to a ZIP that import takes."),
    ],
    "Duplicates": [
        Listed("scan-duplicates", "duplicates", "Compare all people of an organization with each other."),
        Listed("export-duplicates", "duplicates", "Print the pairs of an organization as CSV."),
    ],
    "The terminal": [
        Listed("completion", "completion", "Print the script that completes commands in your shell."),
    ],
}


@click.group(cls=Manual, parts=PARTS)
def main() -> None:
    """Face Portal: enrol people by photo, search by photo, find people who were enrolled twice.

    Commands work whether the portal is up or not. Results go to standard output; progress, warnings and
    errors to standard error. Settings are environment variables (PORTAL_…).
    """
    from portal import logs

    # Nobody else on this machine may read what the portal and its children write.
    os.umask(0o077)
    logs.configure()
    logging.getLogger().setLevel(logging.WARNING)
