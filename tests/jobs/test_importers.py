"""People of other systems are taken over by `portal import`, by way of a batch, with real faces."""

from __future__ import annotations

import csv
import pickle
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session

from jobs.faces.pipeline import PhotoAnalysis
from portal.batches.models import Batch
from portal.console.exit_codes import ExitCode
from portal.importers import compreface as compreface_api
from portal.importers.compreface import NO_PHOTO, CompreFace
from portal.importers.compreface_dump import NO_PHOTO as NO_PHOTO_IN_DUMP
from portal.importers.feeding import SAME_BUT_FOR_SPACES, ImportFailed
from portal.importers.insightface_server import GONE, NO_CROP
from portal.organizations.models import Organization
from portal.people.models import Person
from portal.photos.models import Photo
from portal.settings import Settings
from portal.work.models import WorkState
from tests.make import other_systems
from tests.make.batches import finish
from tests.make.other_systems import API_KEY
from tests.make.photos import mate, picture
from tests.read.batches import people
from tests.run.commands import portal
from tests.run.workers import Worker

Bring = Callable[..., list[list[str]]]
KEY = ("--api-key-env", "KEY")
ANA, BEN = "Ahmed_Chalabi", "Aaron_Tippin"


class NotImported(Exception):
    """The command refused, and said this."""


@pytest.fixture
def bring(settings: Settings, clinic: Organization, worker: Worker, tmp_path: Path) -> Bring:
    """Import something into the clinic, let the workers do their part; returns what the report says."""

    def brought(source: str | Path, *options: str) -> list[list[str]]:
        report = tmp_path / "report.csv"
        # Without a worker the command does not wait for one; here there is one, which works afterwards.
        worker.lose()
        done = portal(
            settings.data_dir,
            *("import", str(source), "--organization", clinic.slug, "--report", str(report), *options),
            KEY=API_KEY,
            PORTAL_REDIS_URL=settings.redis_url,
        )
        if done.returncode not in {ExitCode.DONE, ExitCode.PARTLY}:
            assert done.stdout == ""
            raise NotImported(done.stderr)
        # Of CompreFace: the key is in nothing that is said, unless someone gave it in the command's line.
        assert API_KEY in options or API_KEY not in done.stdout + done.stderr
        finish(worker)
        with report.open(encoding="utf-8-sig", newline="") as file:
            return list(csv.reader(file))[1:]

    return brought


def names(session: Session) -> dict[str, str]:
    return {person.external_id: person.name for person in session.scalars(select(Person))}


def test_compreface(bring: Bring, session: Session, lfw: Path) -> None:
    subjects = {
        "Ana Lima": [mate(lfw, ANA, 1), mate(lfw, ANA, 2)],
        "Ben/Okafor": [mate(lfw, BEN)],
        "Ana  Lima": [picture(1)],
        "Cleo": [b""],
        "Dora": [b"8BPS, which is no photo here"],
    }
    with other_systems.compreface(subjects) as (address, server):
        server.busy = 1
        report = bring(f"{address}/", *KEY)
    assert people(session) == {"Ana Lima": 2, "Ben/Okafor": 1}
    assert names(session)["Ben/Okafor"] == "Ben/Okafor"
    assert len(report) == 3
    assert {(*row[:3], row[4]) for row in report} == {
        ("photo", "Ana  Lima", "Ana  Lima", SAME_BUT_FOR_SPACES),
        ("photo", "Cleo", "Cleo", NO_PHOTO),
        ("photo", "Dora", "Dora", "This kind of image can't be read here."),
    }
    # The key is in no address.
    assert not any(API_KEY in path for path in server.asked)
    assert session.scalars(select(Batch)).one().source == f"from CompreFace at {address}"


def test_compreface_is_gone_on_with(bring: Bring, session: Session, lfw: Path) -> None:
    with other_systems.compreface({"Ana": [mate(lfw, ANA, 1), mate(lfw, ANA, 2)]}) as (address, server):
        bring(address, *KEY)
        asked = len(server.asked)
        bring(address, *KEY)
        assert people(session) == {"Ana": 2}
        assert len(server.asked) == 2 * asked


@pytest.mark.parametrize(
    ("address", "api_key", "said"),
    [
        ("http://127.0.0.1:1", API_KEY, "does not answer"),
        ("{}", "wrong", "does not accept the API key"),
        ("{}", "wr\nong", "characters that no API key"),
        ("{}/?x=1", API_KEY, "not the address of a CompreFace"),
        ("http://me:secret@localhost", API_KEY, "user name in it"),
        ("http://localhost:no", API_KEY, "is not an address"),
    ],
)
def test_compreface_that_can_not_be_read(
    address: str, api_key: str, said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(compreface_api, "BACKOFF_S", 0)
    with (
        other_systems.compreface({"Ana": [picture(1)]}) as (there, _),
        pytest.raises(ImportFailed, match=said),
        CompreFace(address.format(there), api_key) as system,
    ):
        system.read()


def test_compreface_leads_nobody_elsewhere() -> None:
    with (
        other_systems.compreface({"Ana": [picture(1)]}) as (there, server),
        other_systems.compreface({"Eve": [picture(2)]}) as (elsewhere, other),
    ):
        server.elsewhere = f"{elsewhere}/api/v1/recognition/faces?page=0&size=3"
        with CompreFace(there, API_KEY) as system, pytest.raises(ImportFailed, match="status 302"):
            system.read()
        assert other.asked == []


def test_dump_of_compreface(bring: Bring, session: Session, lfw: Path, tmp_path: Path) -> None:
    path = tmp_path / "compreface.sql"
    odd = "Tab\there \\ and\nline"
    path.write_text(
        other_systems.compreface_dump({"Ana": [mate(lfw, ANA, 1), None], odd: [mate(lfw, BEN)]}),
        encoding="utf-8",
    )
    report = bring(path)
    assert people(session) == {"Ana": 1, "Tab here \\ and line": 1}
    assert [(row[0], row[1], row[4]) for row in report] == [("face", "Ana", NO_PHOTO_IN_DUMP)]


def test_dump_with_several_services_asks_which(
    bring: Bring, session: Session, lfw: Path, tmp_path: Path
) -> None:
    path = tmp_path / "compreface.sql"
    one = other_systems.compreface_dump({"Ana": [mate(lfw, ANA, 1)]})
    other = "00000000-0000-0000-0000-000000099999\tthe-other-key\tAna\n\\.\n"
    path.write_text(one.removesuffix("\\.\n") + other, encoding="utf-8")
    with pytest.raises(NotImported, match="2 collections"):
        bring(path)
    bring(path, "--collection", API_KEY)
    assert people(session) == {"Ana": 1}


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"PGDMP\x01\x0e", "pg_dump --format=plain"),
        (b"CREATE TABLE x;\n", "no subjects of CompreFace"),
        (b"COPY public.subject (id, subject_name) FROM stdin;\n\\.\n", "its table subject differs"),
        (b"COPY public.subject (id, api_key, subject_name) FROM stdin;\n1\t2\n", "cut off or damaged"),
        (b"COPY public.subject (id, api_key, subject_name) FROM stdin;\n1\t2\t3\n", "cut off or damaged"),
        (b"COPY public.subject (id, api_key, subject_name) FROM stdin;\n1\t2\t\xff\n\\.\n", "not in UTF-8"),
        (
            b"COPY public.subject (id, api_key, subject_name) FROM stdin;\n1\t2\tx\0y\n\\.\n",
            "that is no text",
        ),
    ],
)
def test_dump_that_is_none(bring: Bring, tmp_path: Path, content: bytes, said: str) -> None:
    (tmp_path / "dump.sql").write_bytes(content)
    with pytest.raises(NotImported, match=said):
        bring(tmp_path / "dump.sql")


def test_folder_of_deepface(bring: Bring, session: Session, lfw: Path, tmp_path: Path) -> None:
    folder = tmp_path / "db"
    for name, number in ((ANA, 1), (ANA, 2), (BEN, 1)):
        (folder / name).mkdir(parents=True, exist_ok=True)
        (folder / name / f"{number}.jpg").write_bytes(mate(lfw, name, number))
    entries = [
        {"identity": f"db/{name}/{number}.jpg", "embedding": np.zeros(4096).tolist(), "hash": "x"}
        for name, number in ((ANA, 1), (ANA, 2), (BEN, 1), ("Cleo", 1))
    ]
    (folder / "ds_model_vggface_detector_opencv_aligned.pkl").write_bytes(pickle.dumps(entries))
    report = bring(folder)
    assert people(session) == {ANA: 2, BEN: 1}
    assert [(row[0], row[3]) for row in report] == [("face", "db/Cleo/1.jpg")]


def test_pickle_of_face_recognition(bring: Bring, session: Session, lfw: Path, tmp_path: Path) -> None:
    folder = tmp_path / "known_faces"
    for name in (ANA, BEN):
        (folder / name).mkdir(parents=True)
        (folder / name / "1.jpg").write_bytes(mate(lfw, name))
    encodings = {"encodings": [np.zeros(128)] * 3, "names": [ANA, BEN, "Cleo Okafor"]}
    (folder / "encodings.pickle").write_bytes(pickle.dumps(encodings))
    report = bring(folder / "encodings.pickle")
    assert people(session) == {ANA: 1, BEN: 1}
    assert [(row[0], row[2], row[3]) for row in report] == [("face", "Cleo Okafor", "1 encodings")]


def crop(worker: Worker, photo: bytes) -> bytes:
    """The face of a photo as an InsightFace Server keeps it: its box, 112 pixels square, as JPEG."""
    (found,) = worker.process.pipeline.analyse([photo])
    assert isinstance(found, PhotoAnalysis)
    assert found.main is not None
    pixels = cv2.imdecode(np.frombuffer(photo, np.uint8), cv2.IMREAD_COLOR)
    assert pixels is not None
    left, top, right, bottom = (max(0, round(side)) for side in found.faces[found.main].box)
    square = cv2.resize(pixels[top:bottom, left:right], (112, 112), interpolation=cv2.INTER_AREA)
    return cv2.imencode(".jpg", square, [cv2.IMWRITE_JPEG_QUALITY, 92])[1].tobytes()


def test_database_of_an_insightface_server(
    bring: Bring, session: Session, worker: Worker, lfw: Path, tmp_path: Path
) -> None:
    (tmp_path / "face-crops" / "ab").mkdir(parents=True)
    (tmp_path / "face-crops" / "ab" / "1.jpg").write_bytes(crop(worker, mate(lfw, BEN)))
    (tmp_path / "secret.jpg").write_bytes(picture(5))
    path = other_systems.insightface_server(
        tmp_path,
        {
            "Ana Lima": [crop(worker, mate(lfw, ANA, 1)), crop(worker, mate(lfw, ANA, 2)), None],
            "ben": ["face-crops/ab/1.jpg", "face-crops/../secret.jpg", "face-crops/gone.jpg"],
            "nobody": [],
        },
    )
    report = bring(path)
    assert people(session) == {"X-Ana Lima": 2, "p-ben": 1}
    assert names(session) == {"X-Ana Lima": "Ana Lima", "p-ben": "ben"}
    states = session.scalars(select(Photo.state)).all()
    assert states == [WorkState.DONE] * 3
    assert sorted((row[0], row[1], row[4]) for row in report) == [
        ("face", "X-Ana Lima", NO_CROP),
        ("person", "p-nobody", "There is no face of this person in it."),
        ("photo", "p-ben", GONE),
        ("photo", "p-ben", GONE),
    ]


def test_database_with_several_collections_asks_which(
    bring: Bring, session: Session, worker: Worker, lfw: Path, tmp_path: Path
) -> None:
    face = crop(worker, mate(lfw, ANA, 1))
    other_systems.insightface_server(tmp_path, {"ana": [face]})
    path = other_systems.insightface_server(tmp_path, {"ana": [face]}, "guests")
    with pytest.raises(NotImported, match="2 collections"):
        bring(path)
    with pytest.raises(NotImported, match="no collection of that name"):
        bring(path, "--collection", "others")
    bring(path, "--collection", "guests")
    assert people(session) == {"p-ana": 1}


def test_database_that_is_another(bring: Bring, tmp_path: Path) -> None:
    (tmp_path / "x.db").write_bytes(b"SQLite format 3\0" + b"\xff" * 2000)
    with pytest.raises(NotImported, match="can't be read"):
        bring(tmp_path / "x.db")
