"""Settings: read once, checked at once, and what is wrong is said with its name."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from portal.settings import Settings, SettingsError


def read(tmp_path: Path, **variables: str) -> Settings:
    return Settings.from_environment({"PORTAL_DATA_DIR": str(tmp_path / "data"), **variables})


def test_with_nothing_said_everything_is_in_the_data_folder(tmp_path: Path) -> None:
    settings = read(tmp_path)
    folder = tmp_path / "data"
    assert settings.data_dir == folder
    assert settings.database_url == f"sqlite:///{folder}/portal.sqlite3"
    assert settings.redis_is_private
    assert settings.redis_url == f"unix://{settings.redis_socket}"
    assert (settings.face_model, settings.model_dir, settings.device) == ("auto", folder / "models", "auto")
    assert settings.photo_dir == folder / "photos"
    assert folder.stat().st_mode & 0o077 == 0


def test_the_secret_key_is_made_once_and_nobody_elses_to_read(tmp_path: Path) -> None:
    first, second = read(tmp_path), read(tmp_path)
    assert first.secret_key == second.secret_key
    assert len(first.secret_key) >= 32
    assert (tmp_path / "data" / "secret_key").stat().st_mode & 0o077 == 0
    assert read(tmp_path / "other").secret_key != first.secret_key


def test_the_folder_of_the_command_line_comes_first(tmp_path: Path) -> None:
    environment = {"PORTAL_DATA_DIR": str(tmp_path / "of the environment")}
    settings = Settings.from_environment(environment, data_dir=tmp_path / "of the command")
    assert settings.data_dir == tmp_path / "of the command"
    assert not (tmp_path / "of the environment").exists()


@pytest.mark.parametrize(
    ("variables", "message"),
    [
        (
            {"PORTAL_DATABSE_URL": "x"},
            "PORTAL_DATABSE_URL is not a setting of the portal. It knows: PORTAL_AP",
        ),
        ({"PORTAL_DEVICE_FILE": "x"}, "PORTAL_DEVICE_FILE is not a setting of the portal"),
        ({"PORTAL_DEVICE": "gpu"}, "PORTAL_DEVICE is 'gpu'; it can be auto, cpu or cuda"),
        ({"PORTAL_TRUSTED_PROXIES": "-1"}, "PORTAL_TRUSTED_PROXIES is '-1'; it is the number of proxies"),
        ({"PORTAL_TRUSTED_PROXIES": "one"}, "PORTAL_TRUSTED_PROXIES is 'one'"),
        ({"PORTAL_API_RATE": "0"}, "PORTAL_API_RATE is '0'; it is how many requests a key has"),
        ({"PORTAL_API_RATE": "many"}, "PORTAL_API_RATE is 'many'"),
        ({"PORTAL_API_ORIGINS": "*"}, "PORTAL_API_ORIGINS has '*'; an origin is like https://"),
        ({"PORTAL_API_ORIGINS": "https://a.example https://b.example/"}, "PORTAL_API_ORIGINS has 'https://b"),
        (
            {"PORTAL_WEBHOOK_PRIVATE_ADDRESSES": "yes"},
            "PORTAL_WEBHOOK_PRIVATE_ADDRESSES is 'yes'; it can be 0 or 1.",
        ),
        (
            {"PORTAL_DATABASE_URL": "portal.sqlite3"},
            "PORTAL_DATABASE_URL is not a URL; an example is postgresql://",
        ),
        (
            {"PORTAL_SECRET_KEY_FILE": "/nowhere/key"},
            "PORTAL_SECRET_KEY_FILE names /nowhere/key, which can't be read",
        ),
    ],
)
def test_what_is_wrong_is_said(tmp_path: Path, variables: dict[str, str], message: str) -> None:
    with pytest.raises(SettingsError) as problem:
        read(tmp_path, **variables)
    assert str(problem.value).startswith(message)


def test_variables_of_others_are_theirs(tmp_path: Path) -> None:
    read(tmp_path, HOME="/root", MY_PORTAL="x")
    Settings.from_environment(
        {"PORTAL_PASSWORD": "x"}, data_dir=tmp_path / "data", allowed=["PORTAL_PASSWORD"]
    )


@pytest.mark.parametrize("name", ["PORTAL_SECRET_KEY", "PORTAL_DATABASE_URL", "PORTAL_REDIS_URL"])
def test_a_secret_can_come_in_a_file(tmp_path: Path, name: str) -> None:
    file = tmp_path / "secret"
    file.write_text("redis://:word@host/0\n")
    settings = read(tmp_path, **{f"{name}_FILE": str(file)})
    assert getattr(settings, name.removeprefix("PORTAL_").lower()) == "redis://:word@host/0"
    with pytest.raises(SettingsError, match=f"{name} and {name}_FILE are both set"):
        read(tmp_path, **{f"{name}_FILE": str(file), name: "x"})


def test_an_empty_variable_is_one_that_is_not_set(tmp_path: Path) -> None:
    settings = read(tmp_path, PORTAL_FACE_MODEL="", PORTAL_DEVICE="", PORTAL_REDIS_URL="")
    assert (settings.face_model, settings.device, settings.redis_is_private) == ("auto", "auto", True)


@pytest.mark.parametrize("scheme", ["postgres", "postgresql", "postgresql+psycopg"])
def test_any_name_of_postgresql_will_do(tmp_path: Path, scheme: str) -> None:
    settings = read(tmp_path, PORTAL_DATABASE_URL=f"{scheme}://user@host/portal")
    assert settings.database_url == "postgresql+psycopg://user@host/portal"


def test_an_empty_key_file_is_told_rather_than_signed_with(tmp_path: Path) -> None:
    read(tmp_path)
    (tmp_path / "data" / "secret_key").write_text("")
    with pytest.raises(SettingsError, match="secret_key is empty"):
        read(tmp_path)


def test_a_deep_data_folder_has_its_socket_where_a_socket_can_be(tmp_path: Path) -> None:
    deep = tmp_path / ("deep" * 30)
    settings = Settings.from_environment({}, data_dir=deep)
    assert len(os.fsencode(settings.redis_socket)) <= 100
    assert settings.redis_socket != Settings.from_environment({}, data_dir=deep / "er").redis_socket


def test_a_child_process_reads_the_same(tmp_path: Path) -> None:
    for given in (
        {},
        {"PORTAL_REDIS_URL": "redis://host/3", "PORTAL_DEVICE": "cpu", "PORTAL_TRUSTED_PROXIES": "2"},
        {"PORTAL_WEBHOOK_PRIVATE_ADDRESSES": "1"},
        {"PORTAL_API_RATE": "12", "PORTAL_API_ORIGINS": "https://a.example http://[::1]:8000"},
    ):
        settings = read(tmp_path, **given)
        assert Settings.from_environment(settings.environment()) == settings
