"""Other systems, as they are to someone who takes over from them."""

from __future__ import annotations

import json
import sqlite3
import uuid
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from urllib.parse import parse_qs, urlsplit

API_KEY = "b97fbc0a-518a-4b1d-a93a-581b1d3814cc"
EMBEDDING = "{0.1,-0.2,0.3}"


def identifier(number: int) -> str:
    """The id of an example, a subject or a photo."""
    return str(uuid.UUID(int=number))


class _CompreFaceServer(ThreadingHTTPServer):
    examples: list[tuple[str, str, bytes]]
    # How often it answers 503 before it works, and whether it leads elsewhere.
    busy = 0
    elsewhere = ""
    asked: list[str]


class _Answers(BaseHTTPRequestHandler):
    server: _CompreFaceServer

    def do_GET(self) -> None:
        self.server.asked.append(self.path)
        address = urlsplit(self.path)
        if self.server.elsewhere:
            self._answer(302, b"", Location=self.server.elsewhere)
        elif self.server.busy:
            self.server.busy -= 1
            self._answer(503, b"")
        elif self.headers["x-api-key"] != API_KEY:
            self._answer(401, b'{"message":"Api-key not found","code":3}')
        elif address.path == "/api/v1/recognition/faces":
            self._answer(200, self._page(parse_qs(address.query)))
        elif address.path.endswith("/img"):
            wanted = address.path.split("/")[-2]
            self._answer(200, next(photo for one, _, photo in self.server.examples if one == wanted))
        else:
            self._answer(404, b"")

    def _page(self, query: dict[str, list[str]]) -> bytes:
        page, size = int(query["page"][0]), min(3, int(query["size"][0]))
        some = self.server.examples[page * size : (page + 1) * size]
        total = len(self.server.examples)
        return json.dumps(
            {
                "faces": [{"image_id": image_id, "subject": subject} for image_id, subject, _ in some],
                "page_number": page,
                "page_size": size,
                "total_pages": -(-total // size),
                "total_elements": total,
            }
        ).encode()

    def _answer(self, status: int, content: bytes, **headers: str) -> None:
        self.send_response(status)
        for name, value in {"Content-Length": str(len(content)), **headers}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@contextmanager
def compreface(subjects: Mapping[str, list[bytes]]) -> Iterator[tuple[str, _CompreFaceServer]]:
    """A CompreFace of which the REST API answers as its documentation says; its address and itself."""
    server = _CompreFaceServer(("127.0.0.1", 0), _Answers)
    server.asked = []
    photos = [(subject, photo) for subject, some in subjects.items() for photo in some]
    server.examples = [(identifier(n), subject, photo) for n, (subject, photo) in enumerate(photos, 1)]
    thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}", server
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def compreface_dump(subjects: Mapping[str, list[bytes | None]], api_key: str = API_KEY) -> str:
    """What pg_dump writes of these subjects of a CompreFace; None: an example without a photo."""
    embeddings, images, people = [], [], []
    number = 0
    for count, (subject, photos) in enumerate(subjects.items(), 1):
        escaped = subject.replace("\\", "\\\\").replace("\t", "\\t").replace("\n", "\\n")
        people.append(f"{identifier(10_000 + count)}\t{api_key}\t{escaped}\n")
        for photo in photos:
            number += 1
            image = "\\N" if photo is None else identifier(20_000 + number)
            whose = identifier(10_000 + count)
            embeddings.append(f"{identifier(number)}\t{whose}\t{EMBEDDING}\tFacenet2018\t{image}\n")
            if photo is not None:
                images.append(f"{image}\t\\\\x{photo.hex()}\n")
    return (
        "--\n-- PostgreSQL database dump\n--\n\nSET client_encoding = 'UTF8';\n\n"
        "COPY public.app (id, name) FROM stdin;\n1\tDemo\n\\.\n\n"
        "COPY public.embedding (id, subject_id, embedding, calculator, img_id) FROM stdin;\n"
        f"{''.join(embeddings)}\\.\n\n\n"
        f"COPY public.img (id, content) FROM stdin;\n{''.join(images)}\\.\n\n\n"
        f"COPY public.subject (id, api_key, subject_name) FROM stdin;\n{''.join(people)}\\.\n"
    )


def insightface_server(
    folder: Path, people: Mapping[str, list[bytes | str | None]], collection: str = "staff"
) -> Path:
    """The data folder's database of an InsightFace Server, with the tables that it has.

    A face crop is in the database, or a file of that name in face-crops, or there is none.
    """
    path = folder / "insightface-server.db"
    new = not path.exists()
    with closing(sqlite3.connect(path)) as database, database:
        if new:
            database.executescript(
                """
                CREATE TABLE collections (id TEXT PRIMARY KEY, name TEXT NOT NULL, save_face_crops INTEGER);
                CREATE TABLE persons (
                    collection_id TEXT NOT NULL, id TEXT NOT NULL, name TEXT, external_id TEXT,
                    PRIMARY KEY (collection_id, id), UNIQUE (collection_id, external_id)
                );
                CREATE TABLE face_samples (
                    id TEXT PRIMARY KEY, collection_id TEXT NOT NULL, person_id TEXT NOT NULL,
                    embedding BLOB NOT NULL, crop_path TEXT, crop_image BLOB, crop_media_type TEXT
                );
                """
            )
        database.execute("INSERT INTO collections VALUES (?, ?, 1)", (collection, collection))
        for name, crops in people.items():
            person = f"p-{name}".lower().replace(" ", "-")
            database.execute(
                "INSERT INTO persons VALUES (?, ?, ?, ?)",
                (collection, person, name, f"X-{name}" if " " in name else None),
            )
            for number, crop in enumerate(crops):
                image, at = (crop, None) if isinstance(crop, bytes) else (None, crop)
                database.execute(
                    "INSERT INTO face_samples VALUES (?, ?, ?, ?, ?, ?, ?)",
                    (
                        f"{collection}-{person}-{number}",
                        collection,
                        person,
                        b"\0" * 2048,
                        at,
                        image,
                        "image/jpeg",
                    ),
                )
    return path
