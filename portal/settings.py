"""The portal's settings: read once from the environment, then never changed."""

from __future__ import annotations

import os
import re
import secrets
import tempfile
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Literal, cast, get_args

Device = Literal["auto", "cpu", "cuda"]

NAMES = frozenset(
    {
        "PORTAL_DATA_DIR",
        "PORTAL_DATABASE_URL",
        "PORTAL_REDIS_URL",
        "PORTAL_SECRET_KEY",
        "PORTAL_FACE_MODEL",
        "PORTAL_MODEL_DIR",
        "PORTAL_DEVICE",
        "PORTAL_TRUSTED_PROXIES",
        "PORTAL_WEBHOOK_PRIVATE_ADDRESSES",
        "PORTAL_API_RATE",
        "PORTAL_API_ORIGINS",
    }
)
SECRETS = frozenset({"PORTAL_DATABASE_URL", "PORTAL_REDIS_URL", "PORTAL_SECRET_KEY"})

# sockaddr_un.sun_path holds 108 bytes on Linux and 104 on macOS, the closing NUL included.
LONGEST_SOCKET_PATH = 100


# Requests a minute, 500 a second: what programs need, and less than what stops the portal.
API_RATE = 30_000
ORIGIN = re.compile(r"https?://[a-z0-9.-]+(:\d+)?|https?://\[[0-9a-f:]+\](:\d+)?")


class SettingsError(ValueError):
    """A PORTAL_ variable that is unknown, missing its file, or out of range."""


@dataclass(frozen=True)
class Settings:
    """Everything that a process of the portal needs to know before it opens anything."""

    data_dir: Path
    database_url: str
    redis_url: str
    redis_is_private: bool
    secret_key: str
    face_model: str
    model_dir: Path
    device: Device
    trusted_proxies: int
    # Whether webhooks may go to addresses inside the installation's own network, and without HTTPS.
    webhook_private_addresses: bool
    # Requests a minute of one API key.
    api_rate: int
    # The origins whose pages may use the API, like https://intranet.example.
    api_origins: tuple[str, ...]

    @property
    def photo_dir(self) -> Path:
        return self.data_dir / "photos"

    @property
    def redis_socket(self) -> Path:
        """Where the private Redis listens, whether it is up or not."""
        return _redis_socket(self.data_dir)

    @classmethod
    def from_environment(
        cls,
        environment: Mapping[str, str] | None = None,
        *,
        data_dir: Path | None = None,
        allowed: Collection[str] = (),
    ) -> Settings:
        """Read the settings, creating the data folder and a secret key where there is none.

        `data_dir` overrides PORTAL_DATA_DIR; `allowed` names variables that are someone else's
        although they begin with PORTAL_ (a password handed over by `--password-env`).

        Raises SettingsError for an unknown PORTAL_ name, an unreadable secret file or a bad value.
        """
        variables = _read(os.environ if environment is None else environment, allowed)
        folder = (data_dir or Path(variables.get("PORTAL_DATA_DIR", "data"))).expanduser().resolve()
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        device = variables.get("PORTAL_DEVICE", "auto")
        if device not in get_args(Device):
            raise SettingsError(f"PORTAL_DEVICE is {device!r}; it can be auto, cpu or cuda.")
        proxies = variables.get("PORTAL_TRUSTED_PROXIES", "0")
        if not proxies.isdigit():
            raise SettingsError(
                f"PORTAL_TRUSTED_PROXIES is {proxies!r}; it is the number of proxies in front, 0 or more."
            )
        private = variables.get("PORTAL_WEBHOOK_PRIVATE_ADDRESSES", "0")
        if private not in {"0", "1"}:
            raise SettingsError(f"PORTAL_WEBHOOK_PRIVATE_ADDRESSES is {private!r}; it can be 0 or 1.")
        redis_url = variables.get("PORTAL_REDIS_URL", "")
        return cls(
            data_dir=folder,
            database_url=_database_url(variables.get("PORTAL_DATABASE_URL"), folder),
            redis_url=redis_url or f"unix://{_redis_socket(folder)}",
            redis_is_private=not redis_url,
            secret_key=variables.get("PORTAL_SECRET_KEY") or _stored_secret_key(folder),
            face_model=_face_model(variables.get("PORTAL_FACE_MODEL", "auto")),
            model_dir=Path(variables.get("PORTAL_MODEL_DIR") or folder / "models").expanduser().resolve(),
            device=cast(Device, device),
            trusted_proxies=int(proxies),
            webhook_private_addresses=private == "1",
            api_rate=_api_rate(variables.get("PORTAL_API_RATE", str(API_RATE))),
            api_origins=_origins(variables.get("PORTAL_API_ORIGINS", "")),
        )

    def environment(self) -> dict[str, str]:
        """The PORTAL_ variables with which a child process reads the same settings."""
        variables = {
            "PORTAL_DATA_DIR": str(self.data_dir),
            "PORTAL_DATABASE_URL": self.database_url,
            "PORTAL_SECRET_KEY": self.secret_key,
            "PORTAL_FACE_MODEL": self.face_model,
            "PORTAL_MODEL_DIR": str(self.model_dir),
            "PORTAL_DEVICE": self.device,
            "PORTAL_TRUSTED_PROXIES": str(self.trusted_proxies),
            "PORTAL_WEBHOOK_PRIVATE_ADDRESSES": str(int(self.webhook_private_addresses)),
            "PORTAL_API_RATE": str(self.api_rate),
            "PORTAL_API_ORIGINS": " ".join(self.api_origins),
        }
        if not self.redis_is_private:
            variables["PORTAL_REDIS_URL"] = self.redis_url
        return variables


def _read(environment: Mapping[str, str], allowed: Collection[str]) -> dict[str, str]:
    variables: dict[str, str] = {}
    for name, value in environment.items():
        if not name.startswith("PORTAL_") or name in allowed:
            continue
        plain = name.removesuffix("_FILE")
        if name in NAMES:
            given = value
        elif plain in SECRETS:
            try:
                given = Path(value).read_text().strip()
            except OSError as error:
                raise SettingsError(
                    f"{name} names {value}, which can't be read: {error.strerror}."
                ) from error
        else:
            raise SettingsError(
                f"{name} is not a setting of the portal. It knows: {', '.join(sorted(NAMES))}."
            )
        if plain in variables:
            raise SettingsError(f"{plain} and {plain}_FILE are both set; keep one of them.")
        if given:
            variables[plain] = given
    return variables


def _api_rate(text: str) -> int:
    if not (text.isascii() and text.isdigit() and 1 <= len(text) <= 7 and int(text)):
        raise SettingsError(
            f"PORTAL_API_RATE is {text!r}; it is how many requests a key has a minute, 1 or more."
        )
    return int(text)


def _origins(text: str) -> tuple[str, ...]:
    for origin in text.split():
        if not ORIGIN.fullmatch(origin):
            raise SettingsError(
                f"PORTAL_API_ORIGINS has {origin!r}; an origin is like https://intranet.example. "
                "Put spaces between several."
            )
    return tuple(text.split())


def _database_url(url: str | None, folder: Path) -> str:
    if url is None:
        return f"sqlite:///{folder / 'portal.sqlite3'}"
    scheme, separator, rest = url.partition("://")
    if not separator:
        raise SettingsError("PORTAL_DATABASE_URL is not a URL; an example is postgresql://user@host/portal.")
    # psycopg 3 is the driver that is installed, whatever short name the operator used for PostgreSQL.
    return f"postgresql+psycopg://{rest}" if scheme in {"postgres", "postgresql"} else url


def _face_model(named: str) -> str:
    """The name of a pack as it is; the path of a folder from the root, for children that run elsewhere."""
    is_path = Path(named).name != named
    return str(Path(named).expanduser().resolve()) if is_path else named


def _redis_socket(folder: Path) -> Path:
    socket = folder / "redis.sock"
    if len(os.fsencode(socket)) <= LONGEST_SOCKET_PATH:
        return socket
    name = sha256(os.fsencode(folder)).hexdigest()[:12]
    return Path(tempfile.gettempdir()) / f"face-portal-{os.getuid()}-{name}" / "redis.sock"


def _stored_secret_key(folder: Path) -> str:
    path = folder / "secret_key"
    try:
        with open(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600), "w") as file:
            file.write(secrets.token_urlsafe(48))
    except FileExistsError:
        pass  # another process of the same portal was first: all must sign with one key
    key = path.read_text()
    if not key:
        raise SettingsError(
            f"{path} is empty. Delete it, and a new key is made; everyone then has to sign in again."
        )
    return key
