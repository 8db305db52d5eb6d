"""Small helpers of the tests of faces."""

from __future__ import annotations

import http.server
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from jobs.faces.pipeline import FacePipeline, FoundFace, PhotoAnalysis


@contextmanager
def serving(folder: Path) -> Iterator[str]:
    """A web server over a folder; gives its address."""

    class Handler(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *_: object) -> None:
            """Not on the console."""

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), partial(Handler, directory=str(folder)))
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def quiet(_: str) -> None:
    """For `announce`."""


def pixels(photo: bytes) -> NDArray[np.uint8]:
    decoded = cv2.imdecode(np.frombuffer(photo, np.uint8), cv2.IMREAD_COLOR)
    assert decoded is not None
    return decoded


def encoded(picture: NDArray[np.uint8], kind: str = ".png", *settings: int) -> bytes:
    done, data = cv2.imencode(kind, picture, list(settings))
    assert done
    return data.tobytes()


def analysed(pipeline: FacePipeline, photo: bytes) -> PhotoAnalysis:
    (result,) = pipeline.analyse([photo])
    assert isinstance(result, PhotoAnalysis), result
    return result


def main_of(analysis: PhotoAnalysis) -> FoundFace:
    assert analysis.main is not None
    return analysis.faces[analysis.main]
