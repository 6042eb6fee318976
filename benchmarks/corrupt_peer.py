"""Pictures damaged by `imagecorruptions`, in the environment of the peers: run by corrupt_speed.py.

    PEERS/bin/python benchmarks/corrupt_peer.py PICTURES.npy SEVERITIES.json

prints JSON: kind -> seconds of processor time a picture. Knows nothing of Lightfast.
"""

from __future__ import annotations

import json
import sys
import time
import warnings
from pathlib import Path

import cv2
import numpy as np

warnings.simplefilter("ignore")

from imagecorruptions import corrupt, corruptions  # noqa: E402

SLOW = {"glass_blur": 1, "zoom_blur": 2}
"""Pictures of the kinds that take a second and more for each."""


def main() -> None:
    """Time every kind once, after one picture to warm up."""
    cv2.setNumThreads(1)
    blurred = corruptions.gaussian

    def gaussian(*args: object, multichannel: bool = False, **more: object) -> object:
        # The published code names an argument as scikit-image did before 0.19.
        return blurred(*args, channel_axis=-1 if multichannel else None, **more)

    corruptions.gaussian = gaussian
    images, severities = np.load(sys.argv[1]), json.loads(Path(sys.argv[2]).read_text())
    taken = {}
    for name, severity in severities.items():
        few = images[: SLOW.get(name, len(images))]
        corrupt(images[0], corruption_name=name, severity=severity)
        start = time.process_time()
        for image in few:
            corrupt(image, corruption_name=name, severity=severity)
        taken[name] = (time.process_time() - start) / len(few)
    sys.stdout.write(json.dumps(taken))


if __name__ == "__main__":
    main()
