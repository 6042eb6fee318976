"""One file at a time: every kind of picture that people have, and every kind of broken one."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageOps

from lightfast.data.decode.decode import (
    UnreadablePicture,
    decode_bytes,
    decode_file,
    load_header,
    resize_batch,
)

RNG = np.random.default_rng(3)


def noise(*shape: int) -> np.ndarray:
    return RNG.integers(0, 256, shape, dtype=np.uint8)


@pytest.mark.parametrize("ending", ["png", "bmp", "tif", "ppm", "webp"])
def test_lossless_rgb_comes_back_byte_for_byte(tmp_path: Path, ending: str) -> None:
    pixels = noise(9, 7, 3)
    Image.fromarray(pixels).save(tmp_path / f"a.{ending}", lossless=True)
    np.testing.assert_array_equal(decode_file(tmp_path / f"a.{ending}"), pixels)


def test_grey_keeps_one_channel(tmp_path: Path) -> None:
    pixels = noise(9, 7)
    Image.fromarray(pixels).save(tmp_path / "a.png")
    np.testing.assert_array_equal(decode_file(tmp_path / "a.png"), pixels[..., None])
    assert load_header(tmp_path / "a.png").shape == (9, 7, 1)


def test_black_and_white_becomes_0_and_255(tmp_path: Path) -> None:
    bits = noise(9, 7) > 127
    Image.fromarray(bits).save(tmp_path / "a.png")
    np.testing.assert_array_equal(decode_file(tmp_path / "a.png")[..., 0], bits * np.uint8(255))


def test_grey_asked_as_rgb_is_repeated(tmp_path: Path, picture: Callable[..., Path]) -> None:
    path = picture(tmp_path / "a.png", channels=1)
    grey = decode_file(path)
    np.testing.assert_array_equal(decode_file(path, channels=3), grey.repeat(3, axis=2))


def test_rgb_asked_as_grey_is_bt601_luma(tmp_path: Path, picture: Callable[..., Path]) -> None:
    path = picture(tmp_path / "a.png")
    luma = decode_file(path).astype(float) @ [0.299, 0.587, 0.114]
    assert np.abs(decode_file(path, channels=1)[..., 0] - luma).max() <= 1


@pytest.mark.parametrize("orientation", range(1, 9))
def test_exif_orientation_is_applied(tmp_path: Path, orientation: int) -> None:
    pixels = noise(8, 6, 3)
    exif = Image.Exif()
    exif[0x0112] = orientation
    Image.fromarray(pixels).save(tmp_path / "a.png", exif=exif)
    turned = {
        1: pixels,
        2: pixels[:, ::-1],
        3: pixels[::-1, ::-1],
        4: pixels[::-1],
        5: pixels.transpose(1, 0, 2),
        6: np.rot90(pixels, -1),
        7: pixels[::-1, ::-1].transpose(1, 0, 2),
        8: np.rot90(pixels),
    }[orientation]
    decoded = decode_file(tmp_path / "a.png")
    np.testing.assert_array_equal(decoded, turned)
    assert load_header(tmp_path / "a.png").shape == decoded.shape


def test_transparency_is_laid_over_white(tmp_path: Path) -> None:
    pixels = noise(5, 5, 4)
    Image.fromarray(pixels).save(tmp_path / "a.png")
    alpha = pixels[..., 3:] / 255
    wanted = pixels[..., :3] * alpha + 255 * (1 - alpha)
    assert np.abs(decode_file(tmp_path / "a.png") - wanted).max() <= 1


def test_grey_with_alpha_stays_grey_over_white(tmp_path: Path) -> None:
    pixels = np.array([[[0, 0], [0, 255], [100, 255]]], dtype=np.uint8)
    Image.fromarray(pixels, mode=None).save(tmp_path / "a.png")
    np.testing.assert_array_equal(decode_file(tmp_path / "a.png"), [[[255], [0], [100]]])


def test_a_palette_becomes_its_colours(tmp_path: Path) -> None:
    image = Image.new("P", (2, 1))
    image.putpalette([255, 0, 0, 0, 0, 255])
    image.putdata([0, 1])
    image.save(tmp_path / "a.gif")
    np.testing.assert_array_equal(decode_file(tmp_path / "a.gif"), [[[255, 0, 0], [0, 0, 255]]])


def test_a_transparent_palette_entry_is_white(tmp_path: Path) -> None:
    image = Image.new("P", (2, 1))
    image.putpalette([255, 0, 0, 0, 0, 255])
    image.putdata([0, 1])
    image.save(tmp_path / "a.png", transparency=1)
    np.testing.assert_array_equal(decode_file(tmp_path / "a.png"), [[[255, 0, 0], [255, 255, 255]]])


def test_cmyk_becomes_rgb(tmp_path: Path) -> None:
    Image.new("CMYK", (4, 4), (0, 255, 255, 0)).save(tmp_path / "a.tif")
    np.testing.assert_array_equal(decode_file(tmp_path / "a.tif")[0, 0], [255, 0, 0])


def test_16_bit_grey_is_scaled_to_8(tmp_path: Path) -> None:
    deep = np.array([[0, 257, 25_700, 65_535]], dtype=np.uint16)
    Image.fromarray(deep).save(tmp_path / "a.png")
    np.testing.assert_array_equal(decode_file(tmp_path / "a.png")[..., 0], [[0, 1, 100, 255]])


def test_big_endian_16_bit_grey_is_scaled_too(tmp_path: Path) -> None:
    # A PGM with a maximum of 65,535 holds big-endian pairs of bytes.
    (tmp_path / "a.pgm").write_bytes(b"P5 2 1 65535\n" + bytes([0x01, 0x01, 0xFF, 0xFF]))
    np.testing.assert_array_equal(decode_file(tmp_path / "a.pgm")[..., 0], [[1, 255]])


def test_float_tiff_of_0_to_1_is_scaled(tmp_path: Path) -> None:
    Image.fromarray(np.array([[0.0, 0.5, 1.0]], dtype=np.float32)).save(tmp_path / "a.tif")
    np.testing.assert_array_equal(decode_file(tmp_path / "a.tif")[..., 0], [[0, 128, 255]])


def test_float_tiff_with_nan_is_unreadable(tmp_path: Path) -> None:
    Image.fromarray(np.array([[0.0, np.nan]], dtype=np.float32)).save(tmp_path / "a.tif")
    with pytest.raises(UnreadablePicture, match="NaN"):
        decode_file(tmp_path / "a.tif")


def test_of_an_animation_the_first_frame_is_read(tmp_path: Path) -> None:
    frames = [Image.new("RGB", (4, 4), colour) for colour in ("red", "blue")]
    frames[0].save(tmp_path / "a.gif", save_all=True, append_images=frames[1:])
    np.testing.assert_array_equal(decode_file(tmp_path / "a.gif")[0, 0], [255, 0, 0])


def test_resizing_by_a_whole_factor_crops_the_centre(tmp_path: Path) -> None:
    blocks = noise(4, 8, 3)
    Image.fromarray(blocks.repeat(8, axis=0).repeat(8, axis=1)).save(tmp_path / "a.png")
    resized = decode_file(tmp_path / "a.png", image_size=(32, 32))
    reference = ImageOps.fit(Image.open(tmp_path / "a.png"), (32, 32), Image.Resampling.BILINEAR)
    np.testing.assert_array_equal(resized, np.asarray(reference))


def test_the_wanted_size_leaves_pixels_alone(tmp_path: Path, picture: Callable[..., Path]) -> None:
    path = picture(tmp_path / "a.png", size=(12, 10))
    np.testing.assert_array_equal(decode_file(path, image_size=(12, 10)), decode_file(path))


@pytest.mark.parametrize("size", [(20, 20), (7, 31), (1, 1), (64, 3)])
def test_every_wanted_size_is_met(
    tmp_path: Path, picture: Callable[..., Path], size: tuple[int, int]
) -> None:
    assert decode_file(picture(tmp_path / "a.png"), image_size=size).shape == (*size, 3)


def test_a_large_jpeg_decoded_at_reduced_size_looks_like_the_full_one(tmp_path: Path) -> None:
    smooth = np.asarray(Image.fromarray(noise(8, 12, 3)).resize((1200, 800), Image.Resampling.BICUBIC))
    Image.fromarray(smooth).save(tmp_path / "a.jpg", quality=95)
    full = ImageOps.fit(Image.open(tmp_path / "a.jpg"), (64, 64), Image.Resampling.BILINEAR)
    difference = decode_file(tmp_path / "a.jpg", image_size=(64, 64)).astype(float) - np.asarray(full)
    assert np.abs(difference).mean() < 1.5


def test_fit_resizes_arrays_as_files(tmp_path: Path, picture: Callable[..., Path]) -> None:
    path = picture(tmp_path / "a.png", size=(30, 20))
    batch = decode_file(path)[None]
    np.testing.assert_array_equal(resize_batch(batch, (10, 10), 1)[0], decode_file(path, (10, 10), 1))
    assert resize_batch(batch, None, None) is batch


def _broken(tmp_path: Path, content: bytes, name: str = "a.png") -> Path:
    (tmp_path / name).write_bytes(content)
    return tmp_path / name


def test_an_empty_file_is_said(tmp_path: Path) -> None:
    with pytest.raises(UnreadablePicture, match="empty file") as caught:
        decode_file(_broken(tmp_path, b""))
    assert caught.value.path == str(tmp_path / "a.png")


def test_text_is_not_a_picture(tmp_path: Path) -> None:
    with pytest.raises(UnreadablePicture, match="not a picture"):
        decode_file(_broken(tmp_path, b"hello"))


@pytest.mark.parametrize("name", ["a.png", "a.jpg", "a.bmp", "a.tif", "a.gif", "a.webp"])
def test_half_a_file_is_unreadable(tmp_path: Path, name: str) -> None:
    Image.fromarray(noise(40, 40, 3)).save(tmp_path / name)
    whole = (tmp_path / name).read_bytes()
    with pytest.raises(UnreadablePicture, match=r"truncated|damaged|not a picture"):
        decode_file(_broken(tmp_path, whole[: len(whole) // 2], name))


def test_a_truncated_jpeg_is_called_truncated(tmp_path: Path) -> None:
    Image.fromarray(noise(40, 40, 3)).save(tmp_path / "a.jpg")
    with pytest.raises(UnreadablePicture, match="truncated"):
        decode_file(_broken(tmp_path, (tmp_path / "a.jpg").read_bytes()[:1500], "a.jpg"))


def test_a_missing_file_and_a_folder_are_said(tmp_path: Path) -> None:
    with pytest.raises(UnreadablePicture, match="no such file"):
        decode_file(tmp_path / "none.png")
    with pytest.raises(UnreadablePicture, match="folder"):
        decode_file(tmp_path)
    with pytest.raises(UnreadablePicture, match="no file can have such a name"):
        decode_file(tmp_path / "a\0.png")


def test_permission_denied_is_said(
    tmp_path: Path, picture: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(path: object, **rest: object) -> None:
        raise PermissionError(13, "Permission denied", str(path))

    path = picture(tmp_path / "a.png")
    monkeypatch.setattr(Image, "open", refuse)
    with pytest.raises(UnreadablePicture, match="permission denied"):
        decode_file(path)


@pytest.mark.parametrize("name", ["a.png", "a.jpg", "a.tif", "a.gif", "a.webp", "a.tga"])
def test_bytes_are_decoded_as_the_file_that_holds_them(tmp_path: Path, name: str) -> None:
    Image.fromarray(noise(50, 70, 3)).save(tmp_path / name)
    content = (tmp_path / name).read_bytes()
    for size, channels in ((None, None), ((24, 24), 3), ((80, 60), 1)):
        np.testing.assert_array_equal(
            decode_bytes(content, name, size, channels), decode_file(tmp_path / name, size, channels)
        )


@pytest.mark.parametrize("content", [b"", b"hello", b"\xff\xd8\xff\xe0", b"%PDF-1.7"])
def test_bytes_that_are_no_picture_have_the_reason_of_the_file(tmp_path: Path, content: bytes) -> None:
    with pytest.raises(UnreadablePicture) as of_file:
        decode_file(_broken(tmp_path, content))
    with pytest.raises(UnreadablePicture) as of_bytes:
        decode_bytes(content, "from the web")
    assert of_bytes.value.reason == of_file.value.reason
    assert of_bytes.value.path == "from the web"


def test_files_too_large_to_hold_are_decoded_as_the_others(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("a.jpg", "a.tif"):
        Image.fromarray(noise(50, 70, 3)).save(tmp_path / name)
        held = decode_file(tmp_path / name, (24, 24), 3)
        with monkeypatch.context() as patch:
            patch.setattr("lightfast.data.decode.decode._HELD_BYTES", 10)
            np.testing.assert_array_equal(decode_file(tmp_path / name, (24, 24), 3), held)


def test_decoded_pictures_may_be_written_to(tmp_path: Path, picture: Callable[..., Path]) -> None:
    assert decode_file(picture(tmp_path / "a.png")).flags.writeable


@pytest.mark.parametrize("size", [(64, 64), (50, 90), (200, 100)])
def test_a_jpeg_is_never_decoded_below_the_wanted_size(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, size: tuple[int, int]
) -> None:
    drafted: list[tuple[int, int]] = []
    resize = Image.Image.resize

    def spy(image: Image.Image, *arguments: object, **rest: object) -> Image.Image:
        drafted.append(image.size)
        return resize(image, *arguments, **rest)  # pyright: ignore[reportArgumentType]

    Image.fromarray(noise(700, 900, 3)).save(tmp_path / "a.jpg")
    monkeypatch.setattr(Image.Image, "resize", spy)
    decode_file(tmp_path / "a.jpg", size)
    ((width, height),) = drafted
    assert min(width, height) >= max(size)
    assert (width, height) != (900, 700) or 2 * max(size) > 350


def test_a_large_picture_that_is_no_jpeg_shrinks_as_from_every_pixel(tmp_path: Path) -> None:
    smooth = np.asarray(Image.fromarray(noise(8, 12, 3)).resize((1200, 800), Image.Resampling.BICUBIC))
    Image.fromarray(smooth).save(tmp_path / "a.png")
    full = ImageOps.fit(Image.open(tmp_path / "a.png"), (64, 64), Image.Resampling.BILINEAR)
    assert (
        np.abs(decode_file(tmp_path / "a.png", image_size=(64, 64)).astype(float) - np.asarray(full)).max()
        <= 2
    )


def test_a_decompression_bomb_is_said(
    tmp_path: Path, picture: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    path = picture(tmp_path / "a.png")
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 10)
    with pytest.raises(UnreadablePicture, match="decompression bomb"):
        decode_file(path)
