"""Errors, registry, randomness, files, settings."""

from __future__ import annotations

import errno
import json
import pickle
import re
from pathlib import Path

import pytest
from pydantic import Field

from lightfast.base import files
from lightfast.base.errors import DataError, InputError, SettingsError, StorageError, UnknownName
from lightfast.base.randomness import derive_seed, generator
from lightfast.base.registry import Registry
from lightfast.base.settings import Settings


class Knobs(Settings):
    speed: float = Field(1.0, gt=0, description="speed in m/s")
    name: str | None = None


def test_an_error_is_one_line_with_input_expectation_and_cure():
    error = DataError("a.npz: images", expected="uint8", got="float64", cure="Convert them.")
    assert str(error) == "a.npz: images: expected uint8, got float64. Convert them."
    assert error.exit_code == 2


def test_an_unknown_name_lists_the_closest():
    table: Registry[int] = Registry("damage")
    for number, name in enumerate(("fog", "frost", "shot_noise")):
        table.add(name, number)
    with pytest.raises(UnknownName, match=r"unknown damage 'forst'. Did you mean frost"):
        table.get("forst")


def test_a_name_is_registered_once():
    table: Registry[int] = Registry("damage")
    table.add("fog", 1)
    with pytest.raises(ValueError, match="twice"):
        table.add("fog", 2)
    assert table.names() == ("fog",)
    assert "fog" in table
    assert len(table) == 1


def test_randomness_depends_on_seed_and_purpose_only():
    assert derive_seed(0, "a") == derive_seed(0, "a") != derive_seed(0, "b") != derive_seed(1, "b")
    assert generator(3, "x", 1).random() == generator(3, "x", 1).random() != generator(3, "x", 2).random()


def test_purposes_do_not_run_into_each_other():
    assert derive_seed(0, "ab", "c") != derive_seed(0, "a", "bc")


def test_a_failed_write_leaves_nothing_behind(tmp_path: Path):
    target = tmp_path / "result.json"
    files.write_json(target, {"old": 1})
    with pytest.raises(TypeError), files.atomic(target) as temporary:
        temporary.write_bytes("half")  # type: ignore[arg-type]
    assert json.loads(target.read_text()) == {"old": 1}
    assert [path.name for path in tmp_path.iterdir()] == ["result.json"]


def test_a_file_in_place_of_the_folder_is_one_line(tmp_path: Path):
    (tmp_path / "out").write_text("a file")
    with pytest.raises(
        StorageError,
        match=r"cannot write .*out: a file stands where a folder is wanted\. Choose another folder",
    ):
        files.write_text(tmp_path / "out" / "a.txt", "x")


def test_a_full_disk_is_one_line_and_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    def full(self: Path, content: bytes) -> int:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "write_bytes", full)
    with pytest.raises(StorageError, match="the disk is full"):
        files.write_bytes(tmp_path / "a.bin", b"123")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("code", "said"),
    [
        (errno.EROFS, "the file system is read-only. Choose another place, or mount it writable."),
        (errno.EACCES, "permission denied. Choose a place that you may write"),
        (errno.EDQUOT, "the quota is used up. Make room there"),
        (errno.ENAMETOOLONG, "its name is too long for this file system. Choose a shorter name."),
        (errno.EIO, "input/output error. Choose another place."),
        (errno.ESTALE, "stale file handle. Choose another place."),
    ],
)
def test_any_failure_of_a_disk_is_one_line_with_place_reason_and_cure(tmp_path: Path, code: int, said: str):
    target = tmp_path / "a.bin"
    with pytest.raises(StorageError) as caught, files.atomic(target) as temporary:
        raise OSError(code, "as the system says it", str(temporary))
    assert str(caught.value).startswith(f"cannot write {target}: {said}")
    assert list(tmp_path.iterdir()) == []


def test_a_failure_elsewhere_is_told_of_the_file_that_failed(tmp_path: Path):
    other = tmp_path / "other.png"
    said = r"cannot use .*other\.png: permission denied"
    with pytest.raises(StorageError, match=said), files.storage_errors(tmp_path / "a.bin"):
        raise PermissionError(errno.EACCES, "", str(other))


def test_a_copy_that_fails_is_told_of_the_file_to_be_written(tmp_path: Path):
    source, target = tmp_path / "elsewhere" / "a", tmp_path / "b"
    said = rf"^cannot write {re.escape(str(target))}: the disk is full"
    with pytest.raises(StorageError, match=said), files.atomic(target) as temporary:
        raise OSError(errno.ENOSPC, "", str(source), None, str(temporary))


@pytest.mark.parametrize("error", [BrokenPipeError(errno.EPIPE, ""), OSError("of no system call")])
def test_what_is_no_failure_of_a_disk_passes_through(tmp_path: Path, error: OSError):
    with pytest.raises(type(error)) as caught, files.storage_errors(tmp_path):
        raise error
    assert caught.value is error


@pytest.mark.parametrize(
    ("place", "folder"), [("a.csv", False), ("new/deep/a.csv", False), ("new", True), ("", True)]
)
def test_a_place_is_tried_without_a_trace(tmp_path: Path, place: str, folder: bool, read_only):
    assert files.require_writable(tmp_path / place, folder=folder) == tmp_path / place
    assert list(tmp_path.iterdir()) == []
    read_only(tmp_path)
    with pytest.raises(StorageError) as caught:
        files.require_writable(tmp_path / place, folder=folder)
    assert str(caught.value).startswith(f"cannot write {tmp_path / place}: the file system is read-only. ")


@pytest.mark.parametrize(
    ("place", "folder", "said"),
    [
        ("", False, "a folder stands where a file is wanted. Choose another name"),
        ("file", True, "a file stands where a folder is wanted"),
        ("file/a.csv", False, "a file stands where a folder is wanted"),
        ("n" * 300 + "/a.csv", False, "its name is too long"),
    ],
)
def test_a_place_that_something_else_takes_is_refused(tmp_path: Path, place: str, folder: bool, said: str):
    (tmp_path / "file").touch()
    with pytest.raises(StorageError, match=said):
        files.require_writable(tmp_path / place, folder=folder)


def test_json_refuses_what_is_not_json(tmp_path: Path):
    with pytest.raises(ValueError, match="JSON"):
        files.write_json(tmp_path / "a.json", {"x": float("nan")})
    (tmp_path / "b.json").write_text("{")
    with pytest.raises(DataError, match=r"b.json is not valid JSON"):
        files.load_json(tmp_path / "b.json")


def test_settings_take_texts_and_refuse_nonsense():
    assert Knobs().updated(["speed=2.5", "name=x"]) == Knobs(speed=2.5, name="x")
    assert Knobs(name="x").updated(["name=none"]).name is None
    with pytest.raises(SettingsError, match=r"speed=.*greater than 0.*speed in m/s"):
        Knobs.of(speed=-1)
    with pytest.raises(UnknownName, match="Did you mean speed"):
        Knobs().updated(["sped=1"])
    with pytest.raises(InputError, match="expected key=value"):
        Knobs().updated(["speed"])


@pytest.mark.parametrize(
    "error", [DataError("a.npz", cure="Convert it."), UnknownName("model", "ccn", ["cnn"])]
)
def test_an_error_comes_back_whole_out_of_another_process(error):
    again = pickle.loads(pickle.dumps(error))
    assert (type(again), str(again), again.cure) == (type(error), str(error), error.cure)


def test_a_place_where_no_folder_can_be_made_is_told_with_a_cure(tmp_path, monkeypatch):
    def refuse(*_args, **_kwargs):
        raise FileNotFoundError(2, "No such file or directory")

    monkeypatch.setattr(Path, "mkdir", refuse)
    with pytest.raises(StorageError, match=r"no file or folder can be made there. Choose another folder"):
        files.make_folder(tmp_path / "nope")


@pytest.mark.parametrize(
    ("kind", "digest"),
    [
        ("sha256", "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"),
        ("md5", "900150983cd24fb0d6963f7d28e17f72"),
    ],
)
def test_a_file_is_known_by_its_bytes(tmp_path, kind, digest):
    # The published digests of "abc" (FIPS 180-2, B.1; RFC 1321, A.5).
    (tmp_path / "abc").write_bytes(b"abc")
    assert files.file_hash(tmp_path / "abc", kind) == digest
