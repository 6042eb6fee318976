"""Where in a picture something may stand: boxes by selective search, or on a grid."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from lightfast.base.errors import DataError
from lightfast.data.decode.decode import resize_batch

if TYPE_CHECKING:
    from skimage.graph import RAG

# Regions are looked for in a small copy of the picture: their boxes do not get better with more pixels, only
# slower.
_WORKING_SIDE = 160
_SCALES = (60.0, 200.0)
_BINS = 8
# Of the picture's sides: what is smaller is left to the picture as a whole, what is larger is the whole.
_SMALLEST, _LARGEST = 0.12, 0.95
_TWINS = 0.8


def propose(image: NDArray[np.uint8], limit: int = 40) -> NDArray[np.int64]:
    """Places in a picture where something may stand, the largest structures first.

    Selective search (Uijlings et al. 2013) out of scikit-image's parts: graph segmentation (Felzenszwalb and
    Huttenlocher 2004) at two scales, then merging of the most similar neighbours by colour, size and fill;
    every region met on the way gives its box.

    Args:
        image: uint8 (H, W, 3).
        limit: boxes at most.

    Returns: int64 (M, 4), x0, y0, x1, y1 in pixels, x1 and y1 outside; M may be 0 (a plain picture). The same
    picture gives the same boxes.
    """
    small, scale = _small(checked_picture(image))
    size = np.array([small.shape[1], small.shape[0]])
    ranked = [
        (place, order, box)
        for order, boxes in enumerate(_merged_boxes(small, step) for step in _SCALES)
        for place, box in enumerate(boxes)
    ]
    kept: list[NDArray[np.float64]] = []
    for _, _, box in sorted(ranked, key=lambda entry: entry[:2]):
        sides = (box[2:] - box[:2]) / size
        if sides.min() < _SMALLEST or sides.min() > _LARGEST:
            continue
        if not kept or iou(box[None], np.stack(kept)).max() < _TWINS:
            kept.append(box)
        if len(kept) == limit:
            break
    boxes = np.array(kept, dtype=np.float64).reshape(-1, 4) / scale
    edges = np.array([image.shape[1], image.shape[0]] * 2)
    return np.clip(np.round(boxes), 0, edges).astype(np.int64)


def iou(one: NDArray[np.number], other: NDArray[np.number]) -> NDArray[np.float64]:
    """Intersection over union of every box (N, 4) with every other (M, 4): (N, M)."""
    shared = shared_area(one, other)
    return shared / np.maximum(area(one)[:, None] + area(other)[None] - shared, 1e-9)


def shared_area(one: NDArray[np.number], other: NDArray[np.number]) -> NDArray[np.float64]:
    """What every box (N, 4) shares with every other (M, 4), in pixels: (N, M)."""
    low = np.maximum(one[:, None, :2], other[None, :, :2])
    high = np.minimum(one[:, None, 2:], other[None, :, 2:])
    return np.prod(np.clip(high - low, 0, None), axis=2).astype(np.float64)


def area(boxes: NDArray[np.number]) -> NDArray[np.float64]:
    """Pixels of boxes (N, 4): (N,)."""
    return np.prod(boxes[:, 2:] - boxes[:, :2], axis=1).astype(np.float64)


def checked_picture(image: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """The picture, or a DataError where it is not uint8 (H, W, 3)."""
    if (
        not isinstance(image, np.ndarray)
        or image.dtype != np.uint8
        or image.ndim != 3
        or image.shape[2] != 3
        or 0 in image.shape
    ):
        got = f"{image.dtype} {image.shape}" if isinstance(image, np.ndarray) else type(image).__name__
        raise DataError("objects: picture", expected="uint8 (H, W, 3)", got=got)
    return image


def _small(image: NDArray[np.uint8]) -> tuple[NDArray[np.uint8], float]:
    """The working copy, and its size as a share of the picture's."""
    scale = min(1.0, _WORKING_SIDE / max(image.shape[:2]))
    height, width = (max(1, round(side * scale)) for side in image.shape[:2])
    return resize_batch(image[None], (height, width), 3)[0], scale


def _merged_boxes(image: NDArray[np.uint8], scale: float) -> list[NDArray[np.float64]]:
    """The boxes of all regions between the first segments and the whole picture, the last merged first."""
    from skimage.color import rgb2lab
    from skimage.graph import merge_hierarchical
    from skimage.segmentation import felzenszwalb

    segments = felzenszwalb(
        image, scale=scale, sigma=0.8, min_size=max(8, image.shape[0] * image.shape[1] // 400)
    )
    graph, boxes = _graph(segments, rgb2lab(image))

    def joined(nodes: RAG, source: int, target: int) -> None:
        _join(nodes.nodes[source], nodes.nodes[target])
        boxes.append(nodes.nodes[target]["box"])

    def weight(nodes: RAG, _source: int, target: int, neighbour: int) -> dict[str, float]:
        return {"weight": _unlike(nodes.nodes[target], nodes.nodes[neighbour], segments.size)}

    merge_hierarchical(segments, graph, np.inf, False, True, joined, weight)
    return boxes[::-1]


def _graph(segments: NDArray[np.integer], lab: NDArray[np.floating]) -> tuple[RAG, list[NDArray[np.float64]]]:
    """Segments as nodes with pixel count, colour histogram and box; neighbours joined.

    And the boxes, the smallest segment first.
    """
    from scipy.ndimage import find_objects as slices_of
    from skimage.graph import RAG

    count = int(segments.max()) + 1
    sizes = np.bincount(segments.ravel(), minlength=count)
    # L is 0..100, a and b are about -100..100.
    steps = (
        np.clip((lab - (0, -100, -100)) / (100, 200, 200) * _BINS, 0, _BINS - 1).astype(np.int64)
        + np.arange(3) * _BINS
    )
    colours = np.zeros((count, 3 * _BINS))
    np.add.at(colours, (np.repeat(segments.ravel(), 3), steps.reshape(-1)), 1.0)
    graph, boxes = RAG(), []
    for node, (down, across) in enumerate(slices_of(segments + 1)):
        box = np.array([across.start, down.start, across.stop, down.stop], dtype=np.float64)
        boxes.append(box)
        graph.add_node(node, labels=[node], size=int(sizes[node]), colour=colours[node], box=box)
    pairs = np.concatenate(
        [
            np.stack([segments[:, :-1].ravel(), segments[:, 1:].ravel()], 1),
            np.stack([segments[:-1].ravel(), segments[1:].ravel()], 1),
        ]
    )
    pairs = np.unique(np.sort(pairs[pairs[:, 0] != pairs[:, 1]], axis=1), axis=0)
    for one, other in pairs.tolist():
        graph.add_edge(one, other, weight=_unlike(graph.nodes[one], graph.nodes[other], segments.size))
    return graph, [boxes[node] for node in np.argsort(sizes, kind="stable")]


def _join(source: dict[str, Any], target: dict[str, Any]) -> None:
    target["box"] = _around(source, target)
    target["size"] += source["size"]
    target["colour"] = target["colour"] + source["colour"]


def _around(one: dict[str, Any], other: dict[str, Any]) -> NDArray[np.float64]:
    return np.concatenate(
        [np.minimum(one["box"][:2], other["box"][:2]), np.maximum(one["box"][2:], other["box"][2:])]
    )


def _unlike(one: dict[str, Any], other: dict[str, Any], total: int) -> float:
    """0..3: histogram distance, joint size and the gap left in the joint box, as Uijlings et al.
    weigh them, negated.
    """
    both = one["size"] + other["size"]
    colour = np.minimum(one["colour"] / one["size"], other["colour"] / other["size"]).sum() / 3
    around = _around(one, other)
    gap = (around[2] - around[0]) * (around[3] - around[1]) - both
    return float(1 - colour + both / total + gap / total)
