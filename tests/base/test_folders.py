"""Where data sets and copies are kept: one module says it."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from lightfast.base import folders

SOURCE = Path(__file__).parents[2] / "src" / "lightfast"


@pytest.fixture(autouse=True)
def default(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """No variables, and an empty home."""
    for name in ("LIGHTFAST_DATA", "LIGHTFAST_CACHE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / ".cache"))


def test_the_cache_is_not_below_the_data_nor_the_data_below_the_cache() -> None:
    data, cache = folders.data_folder(), folders.source_cache_folder()
    assert not cache.is_relative_to(data)
    assert not data.is_relative_to(cache)


def test_both_lie_in_the_users_cache_folder_by_default(tmp_path: Path) -> None:
    assert folders.data_folder() == tmp_path / ".cache" / "lightfast"
    assert folders.source_cache_folder() == tmp_path / ".cache" / "lightfast-cache"


def test_importing_and_asking_makes_no_folder(tmp_path: Path) -> None:
    folders.sources_folder()
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("variable", "folder"),
    [("LIGHTFAST_DATA", folders.data_folder), ("LIGHTFAST_CACHE", folders.source_cache_folder)],
)
def test_a_variable_names_a_folder_from_home_or_from_here_and_nothing_is_no_name(
    variable: str, folder, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    default = folder()
    monkeypatch.setenv(variable, "~/there")
    assert folder() == tmp_path / "there"
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv(variable, "here")
    assert folder() == tmp_path / "here"
    monkeypatch.setenv(variable, "")
    assert folder() == default


def test_pictures_and_sources_have_a_folder_each_in_the_cache() -> None:
    assert (
        folders.pictures_folder().parent == folders.sources_folder().parent == folders.source_cache_folder()
    )
    assert folders.pictures_folder() != folders.sources_folder()


def test_no_other_module_reads_these_variables_or_the_systems_folders() -> None:
    reads = re.compile(r"(environ|getenv)\W+(get\()?\W*LIGHTFAST_(DATA|CACHE)\b|platformdirs")
    found = [
        path.relative_to(SOURCE).as_posix()
        for path in SOURCE.rglob("*.py")
        if reads.search(path.read_text(encoding="utf-8"))
    ]
    assert found == ["base/folders.py"]
