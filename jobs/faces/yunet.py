"""YuNet, the detector of the OpenCV Zoo (Wu, Peng and Yu, YuNet: A Tiny Millisecond-level Face Detector,
Machine Intelligence Research 20, 2023)."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from jobs.faces.detector import cells, joined
from jobs.faces.engine import Detections, UprightScores
from jobs.faces.quality import Nose

# The zoo's own (yunet.py, confThreshold). On 1,020 LFW photos what it finds beyond SCRFD at 0.5 are faces
# that are turned away or cut off, with hardly anything that is no face; at 0.9 it misses the main face of 15.
DETECTION_THRESHOLD = 0.6
STRIDES = (8, 16, 32)


class YuNet:
    """Two scores, a box and five landmarks at every cell of three feature maps.

    The landmarks begin with the right eye of the person, which is the left one in the picture.
    """

    # Plain pixels in the order BGR, as cv2.FaceDetectorYN gives them.
    mean, scale, red_first = 0.0, 1.0, False
    overlap = 0.3
    # It was trained on faces of about 10 to 300 pixels (opencv_zoo, models/face_detection_yunet/README.md).
    largest_face = 300.0
    # Measured on LFW with landmarks from a look at 64, 80, 96, 112 and 128 pixels. At 96 a photo and the same
    # at twice its size have templates with a cosine of 0.983 (median; without that look 0.957), and rank-1 is
    # 0.989 (0.984).
    best_face: float | None = 96.0
    # The tip of the nose, in which a nod hardly shows: on 510 LFW photos the pitch that it gives goes along
    # with SCRFD's by a correlation of 0.37 only, and by a seventh of its size (the yaw: 0.95).
    nose = Nose(depth=0.5, part=None)
    # Hardly any LFW photo is below the second, and of the same on their side 99 %. Its landmarks are upright
    # whatever the face is.
    upright = UprightScores(0.92, 0.875)

    def decode(self, outputs: Sequence[NDArray[np.float32]], size: tuple[int, int]) -> Detections:
        """See Decoder. The formulas are those of OpenCV (modules/objdetect/src/face_detect.cpp)."""
        parts = []
        levels = len(STRIDES)
        for level, stride in enumerate(STRIDES):
            is_face, is_there = (np.clip(outputs[level + kind * levels], 0, 1).reshape(-1) for kind in (0, 1))
            score = np.sqrt(is_face * is_there)
            sure = np.flatnonzero(score >= DETECTION_THRESHOLD)
            if not len(sure):
                continue
            corner = cells(size, stride)[sure]
            box = outputs[level + 2 * levels].reshape(-1, 4)[sure]
            centres = (corner + box[:, :2]) * stride
            half = np.exp(box[:, 2:]) * (stride / 2)
            offsets = outputs[level + 3 * levels].reshape(-1, 5, 2)[sure]
            landmarks = (corner[:, None] + offsets) * stride
            parts.append(Detections(np.hstack([centres - half, centres + half]), landmarks, score[sure]))
        return joined(parts)
