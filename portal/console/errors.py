"""Which errors have a message for the person at the terminal. Loaded when there is one."""

from __future__ import annotations

from sqlalchemy.exc import DBAPIError

from portal.accounts.services import AccountError
from portal.batches.list_lines import ManifestError
from portal.batches.opening import BatchError
from portal.doctor import first_line
from portal.duplicates.report import ReportError
from portal.importers.feeding import ImportFailed
from portal.installation.services import FaceModelChanged
from portal.keys.services import KeyRefused
from portal.migrations import MigrationError
from portal.organizations.services import OrganizationError
from portal.pairs.scans import ScanError
from portal.setting_up.licensing import LicenceError
from portal.settings import SettingsError
from portal.storage import StoreFull
from portal.transfer.opening import ExportError
from portal.up.launch import StartError
from portal.up.listener import ListenError
from portal.up.lock import AlreadyUp
from portal.up.private_redis import RedisUnavailable

EXPLAINED = (
    AccountError,
    AlreadyUp,
    BatchError,
    ExportError,
    FaceModelChanged,
    ImportFailed,
    KeyRefused,
    LicenceError,
    ListenError,
    ManifestError,
    MigrationError,
    OrganizationError,
    RedisUnavailable,
    ReportError,
    ScanError,
    SettingsError,
    StartError,
)


def message_of(error: Exception) -> str | None:
    """What to say about an error; None where it is the program that is wrong."""
    if isinstance(error, EXPLAINED):
        return str(error)
    if isinstance(error, StoreFull):
        return f"{error.strerror} Make room, and run the same command again."
    if isinstance(error, DBAPIError):
        return f"The database does not answer: {first_line(error.orig)}"
    return None
