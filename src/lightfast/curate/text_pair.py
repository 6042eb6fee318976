"""A pair of networks that put pictures and texts into one space, as CLIP does (Radford et al. 2021), given by
the user as ONNX files in one folder: `image.onnx`, `text.onnx`, `tokenizer.json`; `preprocessor_config.json`,
as Hugging Face writes it, says how pictures are to be read, where it is there.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lightfast.base.errors import DataError, SettingsError
from lightfast.base.files import load_json
from lightfast.curate.embed import Embedder, unit_rows
from lightfast.models.onnx_session import onnx_failures, onnx_session

PAIR = "pair-"
"""`Embedder.source` of a pair begins with it."""
_IMAGE, _TEXT, _TOKENIZER, _READING = (
    "image.onnx",
    "text.onnx",
    "tokenizer.json",
    "preprocessor_config.json",
)
_FLOATS = {"tensor(float)": np.float32, "tensor(float16)": np.float16}
_WHOLES = {"tensor(int64)": np.int64, "tensor(int32)": np.int32}
_MEAN, _STD = (0.48145466, 0.4578275, 0.40821073), (0.26862954, 0.26130258, 0.27577711)
"""Of red, green and blue, as CLIP was trained with."""
_CONTEXT = 77
"""Pieces of a text, where neither network nor tokenizer say how many: those of CLIP."""
_BLOCK, _READ_BYTES = 32, 2**20


@dataclass(frozen=True, eq=False)
class TextPair:
    """What puts pictures and texts into one space of D features.

    Attributes:
        folder: of its files.
        source: names their content.
        image_size: (H, W) in pixels at which pictures are read.
        pictures: uint8 (N, H, W, 3) → float32 (N, D).
        width: D.
    """

    folder: Path
    source: str
    image_size: tuple[int, int]
    _image: _Network
    _text: _Network
    _tokenizer: Any
    _mean: NDArray[np.float32]
    _std: NDArray[np.float32]

    @property
    def embedder(self) -> Embedder:
        """The half for pictures."""
        return Embedder(self.source, self.pictures)

    def pictures(self, images: NDArray[np.uint8]) -> NDArray[np.float32]:
        """uint8 (N, H, W, 3) → float32 (N, D)."""
        blocks = []
        for start in range(0, len(images), _BLOCK):
            scaled = (images[start : start + _BLOCK] / np.float32(255) - self._mean) / self._std
            given = np.ascontiguousarray(scaled.transpose(0, 3, 1, 2), _FLOATS[self._image.inputs[0].type])
            blocks.append(self._image.run({self._image.inputs[0].name: given}, len(given)))
        return np.concatenate(blocks)

    def texts(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """float32 (M, D), rows at length 1; what is longer than the network reads is cut off."""
        return unit_rows(np.concatenate([self._text_features(one) for one in texts]))

    def _text_features(self, text: str) -> NDArray[np.float32]:
        encoded = self._tokenizer.encode(text)
        ids, *masks = self._text.inputs
        given = {ids.name: np.array([encoded.ids], _WHOLES[ids.type])}
        given |= {one.name: np.array([encoded.attention_mask], _WHOLES[one.type]) for one in masks}
        return self._text.run(given, 1)


@dataclass(frozen=True, eq=False)
class _Network:
    """One of the two files: its session, its inputs, and the output that is read."""

    path: Path
    session: Any
    inputs: Sequence[Any]
    output: str

    def run(self, given: dict[str, NDArray], rows: int) -> NDArray[np.float32]:
        """float32 (rows, D)."""
        try:
            (found,) = self.session.run([self.output], given)
        except onnx_failures() as error:
            raise DataError(f"{self.path} cannot compute: {_line(error)}") from error
        if found.ndim != 2 or len(found) != rows or not np.isfinite(found).all():
            expected = f"({rows}, D) finite features as {self.output}"
            raise DataError(str(self.path), expected=expected, got=f"{found.shape}")
        return np.asarray(found, np.float32)


def is_text_pair(folder: Path | str) -> bool:
    """Whether a folder looks like a pair: it holds either network."""
    return any((Path(folder) / name).is_file() for name in (_IMAGE, _TEXT))


def load_text_pair(folder: Path | str) -> TextPair:
    """The pair in `folder`; kept in memory until its files change.

    Raises DataError for a file that is missing or cannot be read, for networks of other inputs or outputs,
    and for two that do not end in the same number of features; SettingsError where tokenizers is not
    installed.
    """
    place = Path(folder).absolute()
    lost = [name for name in (_IMAGE, _TEXT, _TOKENIZER) if not (place / name).is_file()]
    if lost:
        raise DataError(
            f"{place} has no {lost[0]}", expected=f"a folder with {_IMAGE}, {_TEXT} and {_TOKENIZER}"
        )
    files = sorted(path for path in place.iterdir() if path.is_file())
    return _loaded(place, tuple((path.name, path.stat().st_size, path.stat().st_mtime_ns) for path in files))


@lru_cache(maxsize=2)
def _loaded(place: Path, files: tuple[tuple[str, int, int], ...]) -> TextPair:
    image, text = _network(place / _IMAGE, _image_inputs), _network(place / _TEXT, _text_inputs)
    reading = load_json(place / _READING) if (place / _READING).is_file() else {}
    mean, std = (_colours(place, reading, name, usual) for name, usual in (("mean", _MEAN), ("std", _STD)))
    size = _image_size(place, image.inputs[0].shape, reading)
    source = PAIR + _digest(place, [name for name, _, _ in files])
    tokenizer = _tokenizer(place / _TOKENIZER, text.inputs[0].shape[1])
    made = TextPair(place, source, size, image, text, tokenizer, mean, std)
    widths = [made.pictures(np.zeros((1, *size, 3), np.uint8)).shape[1], made.texts(["a"]).shape[1]]
    if widths[0] != widths[1]:
        raise DataError(
            f"{_IMAGE} and {_TEXT} in {place}",
            expected="features of one width",
            got=f"{widths[0]} and {widths[1]}",
            cure="Give the two halves of one model, each with its projection.",
        )
    return made


def _network(path: Path, checked: Any) -> _Network:
    try:
        session = onnx_session(path)
    except onnx_failures() as error:
        raise DataError(f"{path} cannot be read as ONNX: {_line(error)}") from error
    outputs = {one.name: one for one in session.get_outputs()}
    flat = [one for one in outputs.values() if len(one.shape) == 2]
    # Of several, the one that Hugging Face's exports call so is behind the projection.
    named = [one for one in flat if one.name in ("image_embeds", "text_embeds")] or flat
    if not named:
        shapes = ", ".join(f"{one.name} {one.shape}" for one in outputs.values())
        raise DataError(str(path), expected="an output (N, D)", got=shapes)
    return _Network(path, session, checked(path, session.get_inputs()), named[0].name)


def _image_inputs(path: Path, inputs: Sequence[Any]) -> Sequence[Any]:
    fits = len(inputs) == 1 and len(inputs[0].shape) == 4 and inputs[0].type in _FLOATS
    if not fits or inputs[0].shape[1] not in (3, "channels", "num_channels", None):
        raise DataError(str(path), expected="one input (N, 3, H, W) of floats", got=_shapes(inputs))
    return inputs


def _text_inputs(path: Path, inputs: Sequence[Any]) -> Sequence[Any]:
    """The pieces of the text first, then, where it wants one, the mask that says which of them count."""
    order = sorted(inputs, key=lambda one: "mask" in one.name)
    fits = 1 <= len(order) <= 2 and all(len(one.shape) == 2 and one.type in _WHOLES for one in order)
    if not fits or "mask" in order[0].name or (len(order) == 2 and "mask" not in order[1].name):
        expected = "an input (N, T) of whole numbers, and at most attention_mask (N, T)"
        raise DataError(str(path), expected=expected, got=_shapes(inputs))
    return order


def _image_size(place: Path, shape: Sequence[Any], reading: dict[str, Any]) -> tuple[int, int]:
    height, width = shape[2:]
    if isinstance(height, int) and isinstance(width, int):
        return height, width
    said = reading.get("crop_size") or reading.get("size")
    if isinstance(said, dict):
        said = [said.get("height", said.get("shortest_edge")), said.get("width", said.get("shortest_edge"))]
    sides = [said, said] if isinstance(said, int) else said if isinstance(said, list) else []
    known = [one for one in sides if isinstance(one, int) and one > 0]
    if len(sides) == len(known) == 2:
        return known[0], known[1]
    raise DataError(
        f"{place / _IMAGE} takes pictures of any size",
        expected=f"their size as crop_size in {place / _READING}",
        cure="Put the model's own preprocessor_config.json beside it.",
    )


def _colours(place: Path, reading: dict[str, Any], name: str, usual: Sequence[float]) -> NDArray[np.float32]:
    given = reading.get(f"image_{name}", usual)
    fits = isinstance(given, list | tuple) and len(given) == 3
    if not fits or not all(isinstance(one, int | float) for one in given) or (name == "std" and 0 in given):
        expected = f"three numbers as image_{name}"
        raise DataError(str(place / _READING), expected=expected, got=repr(given))
    return np.array(given, np.float32)


def _tokenizer(path: Path, length: object) -> Any:
    try:
        from tokenizers import Tokenizer
    except ImportError as error:
        raise SettingsError(
            "searching by words", expected="the package tokenizers", cure="pip install 'lightfast[words]'"
        ) from error
    try:
        tokenizer = Tokenizer.from_file(str(path))
    # The package raises nothing narrower.
    except Exception as error:
        raise DataError(f"{path} is no tokenizer: {_line(error)}") from error
    cut = (tokenizer.truncation or {}).get("max_length", _CONTEXT)
    tokenizer.enable_truncation(length if isinstance(length, int) else cut)
    if isinstance(length, int):
        padded = tokenizer.padding or {}
        named = {name: padded[name] for name in ("pad_id", "pad_token", "pad_type_id") if name in padded}
        tokenizer.enable_padding(length=length, **named)
    else:
        tokenizer.no_padding()
    return tokenizer


def _digest(place: Path, names: Sequence[str]) -> str:
    """Of all files: weights may lie in files of their own beside the networks."""
    digest = hashlib.blake2b(digest_size=8)
    for name in names:
        digest.update(name.encode())
        with (place / name).open("rb") as stream:
            while block := stream.read(_READ_BYTES):
                digest.update(block)
    return digest.hexdigest()


def _shapes(inputs: Sequence[Any]) -> str:
    return ", ".join(f"{one.name} {one.type} {one.shape}" for one in inputs)


def _line(error: BaseException) -> str:
    return str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
