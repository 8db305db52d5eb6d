"""How fast and how right the engine is, beside a plain loop over InsightFace's FaceAnalysis.get.

    python -m bench.engine --models DIR --faces DIR [--model NAME …] [--photos N]

Everything is measured in processes of their own, one after the other, on the same photos: files in memory,
decoding included. The engine also measures quality and writes a preview and a thumbnail of each photo; the
loop does not. Of several models each has its rows.
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
from bench.arguments import WITHOUT_A_FOLDER
from bench.rows import Row, show

BATCH = 16
# Shares of the unknown who are shown a name.
FPIRS = (0.01, 0.003)
# Faces of 250 by 250 pixels: what the engine detects them with.
SAME_INPUT = 256

Templates = list[NDArray[np.float32] | None]


@dataclass(frozen=True)
class Result:
    """Photos a second of all processes together, and the template of each photo's main face."""

    rate: float
    templates: Templates
    note: str = ""


def run(models: Path, faces: Path, model_names: Sequence[str], photos: int | None = None) -> list[Row]:
    """Speed as ratios, rank-1, failure to enrol, and what a threshold costs, of each model.

    faces: one folder a person. photos: how many to use, or all.
    """
    paths = sorted(faces.glob("*/*.jpg"))[:photos]
    part = paths[:: max(1, len(paths) // 400)]
    return [row for name in model_names for row in _rows_of(models, name, paths, part)]


def rate(models: Path, model_name: str, paths: Sequence[Path], processes: int) -> float:
    """Photos a second of the engine alone, in so many processes of one thread."""
    return _measure(_engine, models / model_name, paths, processes).rate


def _rows_of(models: Path, name: str, paths: Sequence[Path], part: Sequence[Path]) -> list[Row]:
    folder = models / name
    one = _measure(_engine, folder, part, processes=1)
    two = _measure(_engine, folder, paths, processes=2)
    rows = [
        Row(f"{name}: engine, 1 process of 1 thread", one.rate, "photos/s", note=one.note),
        Row(f"{name}: engine, 2 processes of 1 thread", two.rate, "photos/s", note=two.note),
    ]
    if name not in WITHOUT_A_FOLDER:
        rows += _loops(folder, part, one.rate, two.rate)
    return rows + _identification(name, paths, two.templates)


def _loops(folder: Path, part: Sequence[Path], one: float, two: float) -> list[Row]:
    """FaceAnalysis.get on an InsightFace pack, beside the engine's rates in one and in two processes."""
    rows = []
    for loop, label, ours in (
        (_loop_640_one_thread, "640, 1 thread", one),
        (_loop_same_one_thread, "256, 1 thread", one),
        (_loop_640_two_threads, "640, 2 threads", two),
        (_loop_same_two_threads, "256, 2 threads", two),
    ):
        its = _measure(loop, folder, part, processes=1).rate
        target = "≥ 4 cpu, ≥ 9 openvino with AMX" if label == "640, 2 threads" else ""
        rows.append(Row(f"{folder.name}: FaceAnalysis.get, {label}", its, "photos/s", ours / its, target))
    return rows


def _identification(name: str, paths: Sequence[Path], templates: Templates) -> list[Row]:
    """One photo a person is the gallery, the others are the probes.

    An unknown person is each person of the gallery among the others.
    """
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
    rows = [Row(f"{name}: failure to enrol", failures, "photos", target="0", note=f"of {len(paths)}")]
    if not probes:
        return rows
    people, enrolled = np.array(list(gallery)), np.array(list(gallery.values()))
    whose = np.array([person for person, _ in probes])
    scores = np.array([template for _, template in probes]) @ enrolled.T
    note = f"{len(probes)} probes, {len(people)} people"
    rank_1 = float((people[scores.argmax(axis=1)] == whose).mean())
    rows.append(Row(f"{name}: rank-1", rank_1, "of probes", target="≥ 0.98", note=note))
    mated = scores[people[None] == whose[:, None]]
    others = enrolled @ enrolled.T
    np.fill_diagonal(others, -1)
    highest = np.sort(others.max(axis=1))[::-1]
    for fpir in FPIRS:
        # The highest score at which fewer than this share of the unknown are shown a name.
        threshold = float(highest[int(fpir * len(highest))])
        rows.append(
            Row(
                f"{name}: FNIR at FPIR {fpir:g}",
                float((mated <= threshold).mean()),
                "of probes",
                target="≤ 0.06" if fpir == FPIRS[0] else "",
                note=f"threshold {threshold:.3f}",
            )
        )
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
    from jobs.faces.opening import open_engine
    from jobs.faces.pipeline import FacePipeline, UnusablePhoto

    engine = open_engine(models.find(folder.name, folder.parent, announce=lambda _: None), "auto")
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
