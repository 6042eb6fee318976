"""Cures of arrays that are no pictures yet: taken literally, they give the right pictures."""

from __future__ import annotations

import numpy as np
import pytest

from lightfast.base.errors import InputError
from lightfast.base.randomness import generator
from lightfast.corrupt.suite import corrupt_array
from lightfast.data.images import ImageSet

WANTED = generator(0, "pictures").integers(0, 256, (5, 12, 10, 3)).astype(np.uint8)
WANTED[0, 0, 0], WANTED[0, 0, 1] = 0, 255
GREY = WANTED[..., :1]
SQUARE = generator(1, "pictures").integers(0, 256, (6, 16, 16, 3)).astype(np.uint8)


def codes(cure: str) -> dict[str, str]:
    """What is said → Python, out of a cure."""
    return dict(part.split(": ", 1) for part in cure.removesuffix(".").split("; "))


def cured(x, condition: str = ""):
    """`x` after the cures that `corrupt_array` and `ImageSet` give, one after the other, taken literally."""
    for _ in range(3):
        try:
            corrupt_array(x, "gaussian_noise", 1, generator(0, "noise"))
            ImageSet(x)
        except InputError as error:
            found = codes(error.cure)
            code = next(iter(found.values())) if len(found) == 1 else found.get(condition)
            assert code is not None, f"none of {list(found)} is {condition!r}"
            x = eval(code, {"np": np, "numpy": np, "x": x})
        else:
            return x
    raise AssertionError("never accepted")


@pytest.mark.parametrize(
    ("made", "condition"),
    [
        (lambda x: x / 255, ""),
        (lambda x: (x / 255).astype(np.float32), ""),
        (lambda x: (x / 255).astype(np.float16), ""),
        (lambda x: x / 255 + np.where(x == 255, 0.04, np.where(x == 0, -0.04, 0)), ""),
        (lambda x: x.astype(np.float32), ""),
        (lambda x: x + np.where(x == 255, 9.0, np.where(x == 0, -9.0, 0)), ""),
        (lambda x: x / 127.5 - 1, ""),
        (lambda x: x / 255 - 0.5, "If -0.5 is black and 0.5 white"),
        (lambda x: x / 2.55, "If 100 is white"),
        (lambda x: x.astype(np.int64), ""),
        (lambda x: x.astype(np.uint16), ""),
        (lambda x: x.astype(np.uint16) * 257, ""),
        (lambda x: x.astype(np.int32) * 257, ""),
        (lambda x: x * 257.0, ""),
        (lambda x: np.round(x * (4095 / 255)).astype(np.uint16), "If 4095 is white"),
        (lambda x: np.round(x * (16383 / 255)).astype(np.uint16), "If 16383 is white"),
        (lambda x: (x.astype(np.int16) - 128).astype(np.int8), "If 0 is middle grey"),
        (lambda x: x.view(np.int8), "If these are bytes read with a sign"),
        (lambda x: x.tolist(), ""),
        (lambda x: x.astype(object), ""),
    ],
)
def test_the_cure_of_the_type_gives_the_right_pictures(made, condition):
    assert np.array_equal(cured(made(WANTED), condition), WANTED)


@pytest.mark.parametrize(
    ("value", "condition"),
    [(1.0, ""), (200.0, ""), (100.0, "If 255 is white"), (2.0, "If 255 is white"), (255.0, "")],
)
def test_pictures_of_one_colour_too(value, condition):
    wanted = 255 if value == 1 else value
    assert np.unique(cured(np.full((2, 16, 16, 3), value), condition)) == wanted


@pytest.mark.parametrize(
    ("array", "condition"),
    [
        (GREY > 127, ""),
        ((GREY > 127).astype(np.int64), "If 1 is white"),
        ((GREY > 127).astype(np.float64), ""),
        (((GREY > 127) * 255).astype(np.int32), ""),
    ],
)
def test_drawings_in_two_colours(array, condition):
    assert np.array_equal(cured(array, condition), (GREY > 127).astype(np.uint8) * 255)


@pytest.mark.parametrize(
    ("made", "wanted", "condition"),
    [
        (lambda: WANTED.transpose(0, 3, 1, 2), WANTED, ""),
        (lambda: GREY.transpose(0, 3, 1, 2), GREY, ""),
        (lambda: WANTED.transpose(1, 2, 3, 0), WANTED, ""),
        (lambda: WANTED[0], WANTED[:1], ""),
        (lambda: GREY[0], GREY[:1], ""),
        (lambda: WANTED[0] / 255, WANTED[:1], ""),
        (lambda: WANTED[0].transpose(2, 0, 1), WANTED[:1], "One picture with the channels first"),
        (lambda: GREY[..., 0], GREY, ""),
        (lambda: GREY[:3, ..., 0], GREY[:3], "Grey pictures"),
        (lambda: GREY[:1, ..., 0], GREY[:1], ""),
        (lambda: GREY[0, ..., 0], GREY[:1], ""),
        (lambda: np.concatenate([WANTED, GREY], axis=-1), WANTED, ""),
        (lambda: np.concatenate([WANTED, GREY], axis=-1)[0], WANTED[:1], ""),
        (lambda: np.concatenate([WANTED, GREY], axis=-1).transpose(0, 3, 1, 2), WANTED, ""),
        (lambda: np.concatenate([GREY, GREY], axis=-1), GREY, ""),
        (lambda: WANTED[None], WANTED, ""),
        (lambda: SQUARE[..., 0].reshape(6, -1), SQUARE[..., :1], "Rows of grey pixels"),
        (lambda: SQUARE.reshape(6, -1), SQUARE, "Rows with the colours pixel by pixel"),
        (
            lambda: SQUARE.transpose(0, 3, 1, 2).reshape(6, -1),
            SQUARE,
            "Rows with the channels one after the other, as CIFAR has them",
        ),
        (SQUARE[0, ..., 0].ravel, SQUARE[:1, ..., :1], ""),
    ],
)
def test_the_cure_of_the_shape_gives_the_right_pictures(made, wanted, condition):
    assert np.array_equal(cured(np.ascontiguousarray(made()), condition), wanted)


@pytest.mark.parametrize(
    ("array", "words"),
    [
        (np.full((2, 8, 8, 3), np.nan), "NaN or infinity"),
        ((WANTED / 255 - 0.45) / 0.2, "run from -2.25 to 2.75, so something was subtracted or divided"),
        (WANTED.astype(np.float64) - 120, "run from -120 to 135, so something was subtracted"),
        (WANTED.astype(np.int64) - 200, "run from -200 to 55"),
        (np.array([["a"]]), "Give numbers"),
        (np.zeros((2, 5, 5, 7), np.uint8), "Put the pictures first, the channels last"),
    ],
)
def test_where_the_scale_cannot_be_seen_no_formula_is_given(array, words):
    with pytest.raises(InputError, match=words.replace("[", r"\[")) as caught:
        corrupt_array(array, "fog", 1, generator(0, "fog"))
    assert "* 255" not in str(caught.value)
    assert "\n" not in str(caught.value)
