"""What was found in a photo."""

from __future__ import annotations

from jobs.faces.pipeline import FacePipeline, FoundFace, PhotoAnalysis


def analysed(pipeline: FacePipeline, photo: bytes) -> PhotoAnalysis:
    (result,) = pipeline.analyse([photo])
    assert isinstance(result, PhotoAnalysis), result
    return result


def main_of(analysis: PhotoAnalysis) -> FoundFace:
    assert analysis.main is not None
    return analysis.faces[analysis.main]
