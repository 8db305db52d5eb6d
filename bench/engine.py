"""How fast and how right the engine is, beside a plain loop over InsightFace's FaceAnalysis.get.

    python -m bench.engine --models DIR --faces DIR [--model NAME] [--photos N]

Everything is measured in processes of their own, one after the other, on the same photos: files in memory,
decoding included. The engine also measures quality and writes a preview and a thumbnail of each photo; the
loop does not.
"""

from __future__ import annotations

import multiprocessing
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bench import arguments
from bench.rows import Row, show

BATCH = 16
# Faces of 250 by 250 pixels: what the engine detects them with.
SAME_INPUT = 256

Templates = list[NDArray[np.float32] | None]


@dataclass(frozen=True)
class Result:
    """Photos a second of all processes together, and the template of each photo's main face."""

    rate: float
    templates: Templates
    note: str = ""


def run(models: Path, faces: Path, model_name: str, photos: int | None = None) -> list[Row]:
    """Rows 1 and 3: speed as ratios, rank-1 and failure to enrol.

    faces: one folder a person. photos: how many to use, or all.
    """
    paths = sorted(faces.glob("*/*.jpg"))[:photos]
    part = paths[:: max(1, len(paths) // 400)]
    folder = models / model_name
    ours_one = _measure(_engine, folder, part, processes=1)
    loop_one = _measure(_loop_640_one_thread, folder, part, processes=1)
    same_one = _measure(_loop_same_one_thread, folder, part, processes=1)
    ours_two = _measure(_engine, folder, paths, processes=2)
    loop_two = _measure(_loop_640_two_threads, folder, part, processes=1)
    same_two = _measure(_loop_same_two_threads, folder, part, processes=1)
    targets = "≥ 4 cpu, ≥ 9 openvino with AMX"
    rows = [
        Row("engine, 1 process of 1 thread", ours_one.rate, "photos/s", note=ours_one.note),
        Row("FaceAnalysis.get, 640, 1 thread", loop_one.rate, "photos/s", ours_one.rate / loop_one.rate),
        Row("FaceAnalysis.get, 256, 1 thread", same_one.rate, "photos/s", ours_one.rate / same_one.rate),
        Row("engine, 2 processes of 1 thread", ours_two.rate, "photos/s", note=ours_two.note),
        Row(
            "FaceAnalysis.get, 640, 2 threads",
            loop_two.rate,
            "photos/s",
            ours_two.rate / loop_two.rate,
            targets,
        ),
        Row("FaceAnalysis.get, 256, 2 threads", same_two.rate, "photos/s", ours_two.rate / same_two.rate),
    ]
    return rows + _identification(paths, ours_two.templates)


def rate(folder: Path, paths: Sequence[Path], processes: int) -> float:
    """Photos a second of the engine alone, in so many processes of one thread."""
    return _measure(_engine, folder, paths, processes).rate


def _identification(paths: Sequence[Path], templates: Templates) -> list[Row]:
    """One photo a person is the gallery, the others are the probes."""
    failures = sum(template is None for template in templates)
    gallery: dict[str, NDArray[np.float32]] = {}
    probes: list[tuple[str, NDArray[np.float32]]] = []
    for path, template in zip(paths, templates, strict=True):
        if template is None:
            continue
        if path.parent.name in gallery:
            probes.append((path.parent.name, template))
        else:
            gallery[path.parent.name] = template
    rows = [Row("failure to enrol", failures, "photos", target="0", note=f"of {len(paths)}")]
    if probes:
        people = np.array(list(gallery))
        scores = np.array([template for _, template in probes]) @ np.array(list(gallery.values())).T
        right = people[scores.argmax(axis=1)] == np.array([name for name, _ in probes])
        note = f"{len(probes)} probes, {len(people)} people"
        rows.append(Row("rank-1", float(right.mean()), "of probes", target="≥ 0.98", note=note))
    return rows


def _measure(
    prepare: Callable[[Path], Callable[[list[bytes]], tuple[Templates, str]]],
    folder: Path,
    paths: Sequence[Path],
    processes: int,
) -> Result:
    context = multiprocessing.get_context("spawn")
    barrier = context.Barrier(processes)
    answers: Any = context.Queue()
    workers = [
        context.Process(
            target=_work, args=(prepare, folder, paths[index::processes], barrier, answers, index)
        )
        for index in range(processes)
    ]
    for worker in workers:
        worker.start()
    results = sorted((answers.get() for _ in workers), key=lambda answer: answer[0])
    for worker in workers:
        worker.join()
    templates: Templates = [None] * len(paths)
    for index, _, _, part, _ in results:
        templates[index::processes] = part
    seconds = max(end for _, _, end, _, _ in results) - min(start for _, start, _, _, _ in results)
    return Result(len(paths) / seconds, templates, results[0][4])


def _work(
    prepare: Callable[[Path], Callable[[list[bytes]], tuple[Templates, str]]],
    folder: Path,
    paths: Sequence[Path],
    barrier: Any,
    answers: Any,
    index: int,
) -> None:
    photos = [path.read_bytes() for path in paths]
    analyse = prepare(folder)
    analyse(photos[:BATCH])
    barrier.wait()
    # A clock that all processes of the machine share.
    start = time.monotonic()
    templates, note = analyse(photos)
    answers.put((index, start, time.monotonic(), templates, note))


def _engine(folder: Path) -> Callable[[list[bytes]], tuple[Templates, str]]:
    from jobs.faces import models
    from jobs.faces.engine import open_engine
    from jobs.faces.pipeline import FacePipeline, UnusablePhoto

    engine = open_engine(models.find(str(folder), folder.parent, announce=lambda _: None), "auto")
    pipeline = FacePipeline(engine)

    def analyse(photos: list[bytes]) -> tuple[Templates, str]:
        templates: Templates = []
        for start in range(0, len(photos), BATCH):
            for result in pipeline.analyse(photos[start : start + BATCH]):
                if isinstance(result, UnusablePhoto) or result.main is None:
                    templates.append(None)
                else:
                    templates.append(result.faces[result.main].template)
        return templates, f"{engine.provider.removesuffix('ExecutionProvider')}, {engine.precision}"

    return analyse


def _loop(folder: Path, side: int, threads: int) -> Callable[[list[bytes]], tuple[Templates, str]]:
    import contextlib
    import io
    import warnings

    import cv2
    import onnxruntime
    from insightface.app import FaceAnalysis

    # insightface calls what scikit-image is about to drop, and says so for every face.
    warnings.simplefilter("ignore", FutureWarning)
    cv2.setNumThreads(threads)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    with contextlib.redirect_stdout(io.StringIO()):
        app = FaceAnalysis(
            name=str(folder), allowed_modules=["detection", "recognition"], sess_options=options
        )
        app.prepare(ctx_id=0, det_size=(side, side))

    def analyse(photos: list[bytes]) -> tuple[Templates, str]:
        for photo in photos:
            app.get(cv2.imdecode(np.frombuffer(photo, np.uint8), cv2.IMREAD_COLOR))
        return [None] * len(photos), ""

    return analyse


def _loop_640_one_thread(folder: Path) -> Callable[[list[bytes]], tuple[Templates, str]]:
    return _loop(folder, 640, 1)


def _loop_same_one_thread(folder: Path) -> Callable[[list[bytes]], tuple[Templates, str]]:
    return _loop(folder, SAME_INPUT, 1)


def _loop_640_two_threads(folder: Path) -> Callable[[list[bytes]], tuple[Templates, str]]:
    return _loop(folder, 640, 2)


def _loop_same_two_threads(folder: Path) -> Callable[[list[bytes]], tuple[Templates, str]]:
    return _loop(folder, SAME_INPUT, 2)


def main() -> None:
    given = arguments.parse(__doc__ or "")
    show(run(given.models, given.faces, given.model, given.photos))


if __name__ == "__main__":
    main()
