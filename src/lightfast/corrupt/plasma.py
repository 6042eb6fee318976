"""Plasma fractals (diamond-square) in batches: only the corner that is shown is refined."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

_COARSE = 32
"""Cells a side of the coarse map, made in full because the range of the whole map scales the corner."""


def plasma(
    count: int, side: int, mapsize: int, decay: float, rng: np.random.Generator
) -> NDArray[np.float32]:
    """The corners (count, side, side) of `count` periodic diamond-square maps of `mapsize`, each map scaled
    to [0, 1].

    A level's random steps are uniform within (100 / decay**level)**2 of the mean of their four neighbours
    (the published generators square the step). `mapsize` is a power of two >= side. The range is that of the
    coarse map widened by what the finer levels add on average, so a value may leave [0,
    1] by a few hundredths.
    """
    grid = np.zeros((count, 1, 1), np.float32)
    step = 100.0
    cells = 1
    while cells < mapsize and (cells < _COARSE or _window(side, cells * 2, mapsize) + 2 >= cells):
        grid = _refine_periodic(grid, step * step, rng)
        cells *= 2
        step /= decay
    low, high = grid.min(axis=(1, 2), keepdims=True), grid.max(axis=(1, 2), keepdims=True)
    if cells < mapsize:
        index = np.arange(-1, _window(side, cells, mapsize) + 1) % cells
        grid = grid[:, index[:, None], index[None, :]]
        margin = 0.0
        while cells < mapsize:
            grid = _refine_window(grid, step * step, rng)
            margin += _WIDENING * step * step
            cells *= 2
            step /= decay
        grid = grid[:, 1:, 1:]
        low, high = low - np.float32(margin), high + np.float32(margin)
    return (grid[:, :side, :side] - low) / (high - low)


_WIDENING = 0.5
"""Growth of a map's maximum by one finer level, in units of that level's step."""


def _window(side: int, cells: int, mapsize: int) -> int:
    """How many grid points from the corner on the level with `cells` cells
    is needed to refine `side` pixels.
    """
    needed = side
    for _ in range((mapsize // cells).bit_length() - 1):
        needed = (needed + 2) // 2
    return needed


def _noise(shape: tuple[int, ...], step: float, rng: np.random.Generator) -> NDArray[np.float32]:
    noise = rng.random(shape, dtype=np.float32)
    noise -= np.float32(0.5)
    noise *= np.float32(2 * step)
    return noise


def _refine_periodic(grid: NDArray[np.float32], step: float, rng: np.random.Generator) -> NDArray[np.float32]:
    """One level finer, edges joined: (N, n, n) to (N, 2n, 2n)."""
    count, cells, _ = grid.shape
    fine = np.empty((count, 2 * cells, 2 * cells), np.float32)
    right, below = np.roll(grid, -1, axis=2), np.roll(grid, -1, axis=1)
    centre = (grid + right + below + np.roll(right, -1, axis=1)) / 4 + _noise(grid.shape, step, rng)
    fine[:, ::2, ::2] = grid
    fine[:, 1::2, 1::2] = centre
    fine[:, ::2, 1::2] = (grid + right + centre + np.roll(centre, 1, axis=1)) / 4 + _noise(
        grid.shape, step, rng
    )
    fine[:, 1::2, ::2] = (grid + below + centre + np.roll(centre, 1, axis=2)) / 4 + _noise(
        grid.shape, step, rng
    )
    return fine


def _refine_window(grid: NDArray[np.float32], step: float, rng: np.random.Generator) -> NDArray[np.float32]:
    """One level finer inside a window of points -1..K:
    (N, K+2, K+2) to the points -1..2K-1 of the finer grid, (N, 2K+1, 2K+1).
    """
    count, size, _ = grid.shape
    fine = np.empty((count, 2 * size - 3, 2 * size - 3), np.float32)
    pairs = grid[:, :, :-1] + grid[:, :, 1:]
    centre = (pairs[:, :-1] + pairs[:, 1:]) / 4
    centre += _noise(centre.shape, step, rng)
    across = (pairs[:, 1:-1] + centre[:, :-1] + centre[:, 1:]) / 4
    down = (grid[:, :-1, 1:-1] + grid[:, 1:, 1:-1] + centre[:, :, :-1] + centre[:, :, 1:]) / 4
    fine[:, ::2, ::2] = centre
    fine[:, 1::2, 1::2] = grid[:, 1:-1, 1:-1]
    fine[:, 1::2, ::2] = across + _noise(across.shape, step, rng)
    fine[:, ::2, 1::2] = down + _noise(down.shape, step, rng)
    return fine
