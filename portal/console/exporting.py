"""`portal export`."""

from __future__ import annotations

import os
from functools import partial
from pathlib import Path

import click
from sqlalchemy.orm import Session

from portal.console.common import COMMAND, answer, application, progress_bars, the_organization
from portal.console.exit_codes import ExitCode
from portal.console.options import data_dir_option, example, json_option, organization_option
from portal.extensions import db
from portal.organizations.models import Organization
from portal.storage import StoreFull, photo_store
from portal.transfer.exporting import Export, exported, record_export
from portal.transfer.opening import ExportError
from portal.transfer.zipping import pieces

# What is counted, by the members that have it.
COUNTED = {
    "people": "people.jsonl",
    "photos": "photos.jsonl",
    "faces": "faces.jsonl",
    "pairs": "pairs.jsonl",
}


@click.command("export", epilog=example("portal export --organization harbour harbour.zip"))
@click.argument("path", metavar="FILE.zip", type=click.Path(dir_okay=False, path_type=Path))
@organization_option
@json_option
@data_dir_option
@click.pass_context
def export_command(
    context: click.Context, path: Path, slug: str, as_json: bool, data_dir: Path | None
) -> None:
    """Write all of an organization to a ZIP that import takes.

    People, photos, faces and decisions as they are at this moment, whatever happens meanwhile. The file is
    there when it is whole. The exit code is 3 where the file of a photo is gone or damaged.
    """
    with application(data_dir):
        export = _export_to(db.session(), the_organization(slug), path)
        counts = {what: export.manifest.counts[member] for what, member in COUNTED.items()}
        gone = len(export.left_out)
        lines = [f"{path}: {', '.join(f'{count:,} {what}' for what, count in counts.items())}."]
        if gone:
            lines.append(f"The files of {gone:,} photos are gone or damaged: left_out.jsonl in it.")
        answer("\n".join(lines), {"file": str(path), **counts, "left_out": gone}, as_json=as_json)
        context.exit(ExitCode.PARTLY if gone else ExitCode.DONE)


def _export_to(session: Session, organization: Organization, path: Path) -> Export:
    """Write an organization to a ZIP, which is there when it is whole. Raises ExportError, and StoreFull."""
    if path.exists():
        raise ExportError(f"{path} exists already. Remove it, or give another name.")
    if not path.parent.is_dir():
        raise ExportError(f"{path.parent} is no folder.")
    unfinished = path.with_name(f"{path.name}.partial")
    store = photo_store()
    record_export(session, organization, COMMAND)
    try:
        with (
            unfinished.open("wb") as file,
            progress_bars() as tell,
            exported(session, organization, store) as export,
        ):
            file.writelines(pieces(export, store, partial(tell, "Photos")))
            file.flush()
            os.fsync(file.fileno())
    except BaseException as error:
        unfinished.unlink(missing_ok=True)
        if isinstance(error, OSError) and not isinstance(error, StoreFull):
            raise ExportError(f"The export can't be written: {error}.") from error
        raise
    unfinished.rename(path)
    return export
