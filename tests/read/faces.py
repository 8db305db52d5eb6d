"""What was found in a photo."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from jobs.faces.pipeline import FacePipeline, FoundFace, PhotoAnalysis


def analysed(pipeline: FacePipeline, photo: bytes) -> PhotoAnalysis:
    (result,) = pipeline.analyse([photo])
    assert isinstance(result, PhotoAnalysis), result
    return result


def main_of(analysis: PhotoAnalysis) -> FoundFace:
    assert analysis.main is not None
    return analysis.faces[analysis.main]


def template_of(analysis: PhotoAnalysis) -> NDArray[np.float32]:
    """The template of the main face."""
    template = main_of(analysis).template
    assert template is not None
    return template
