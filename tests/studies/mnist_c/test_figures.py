from __future__ import annotations

import numpy as np

from lightfast.data.images import ImageSet
from lightfast.studies.mnist_c.figures import first_of_each


def test_the_first_picture_of_every_class_is_shown():
    labels = np.array([2, 0, 2, 1, 0])
    images = ImageSet(np.zeros((5, 4, 4, 1), np.uint8), ("a", "b", "c", "none"), labels)
    assert first_of_each(images).tolist() == [1, 3, 0]
