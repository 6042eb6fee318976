"""Downloads against a loopback server."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from lightfast.base.errors import DownloadError, StorageError
from lightfast.data.catalogue.download import RetryPolicy, download


def test_a_good_file_arrives_whole_with_nothing_beside_it(
    site: Any, tmp_path: Path, hasty: RetryPolicy
) -> None:
    target = download(
        site.url, tmp_path / "deep" / "file.bin", checksum=site.md5, size=len(site.content), patience=hasty
    )
    assert target.read_bytes() == site.content
    assert [path.name for path in target.parent.iterdir()] == ["file.bin"]


def test_progress_ends_at_the_total(site: Any, tmp_path: Path, hasty: RetryPolicy) -> None:
    seen: list[tuple[str, int, int]] = []

    def report(label: str, done: int, total: int, detail: str = "") -> None:
        seen.append((label, done, total))

    download(site.url, tmp_path / "file.bin", report=report, patience=hasty)
    assert seen[-1] == ("file.bin", len(site.content), len(site.content))


def test_a_file_that_is_there_and_right_is_not_fetched_again(
    site: Any, tmp_path: Path, hasty: RetryPolicy
) -> None:
    (tmp_path / "file.bin").write_bytes(site.content)
    download(site.url, tmp_path / "file.bin", checksum=site.md5, patience=hasty)
    assert site.ranges == []


def test_a_file_that_is_there_and_wrong_is_replaced(site: Any, tmp_path: Path, hasty: RetryPolicy) -> None:
    (tmp_path / "file.bin").write_bytes(b"old")
    assert (
        download(site.url, tmp_path / "file.bin", checksum=site.md5, patience=hasty).read_bytes()
        == site.content
    )


def test_a_wrong_checksum_deletes_the_file_and_says_both_sums(
    site: Any, tmp_path: Path, hasty: RetryPolicy
) -> None:
    with pytest.raises(
        DownloadError, match=f"{site.url}.*expected md5 00ff, got md5 {site.md5[4:]}"
    ) as caught:
        download(site.url, tmp_path / "file.bin", checksum="md5:00ff", patience=hasty)
    assert "deleted" in str(caught.value)
    assert list(tmp_path.iterdir()) == []


def test_a_truncated_file_is_deleted_and_said(site: Any, tmp_path: Path, hasty: RetryPolicy) -> None:
    size, site.content = len(site.content), site.content[:1000]
    with pytest.raises(DownloadError, match=f"expected {size:,} bytes, got 1,000 bytes"):
        download(site.url, tmp_path / "file.bin", size=size, patience=hasty)
    assert list(tmp_path.iterdir()) == []


def test_404_is_one_line_and_asked_once(site: Any, tmp_path: Path, hasty: RetryPolicy) -> None:
    site.status = 404
    with pytest.raises(DownloadError, match="answered 404") as caught:
        download(site.url, tmp_path / "file.bin", patience=hasty)
    assert "\n" not in str(caught.value)
    assert len(site.ranges) == 1


def test_a_failing_server_is_asked_again(site: Any, tmp_path: Path, hasty: RetryPolicy) -> None:
    site.status = 503
    with pytest.raises(DownloadError, match="2 attempts"):
        download(site.url, tmp_path / "file.bin", patience=hasty)
    assert len(site.ranges) == 2


def test_an_interrupted_download_goes_on_within_one_call(
    site: Any, tmp_path: Path, hasty: RetryPolicy
) -> None:
    site.break_after = [70_000]
    assert (
        download(site.url, tmp_path / "file.bin", checksum=site.md5, patience=hasty).read_bytes()
        == site.content
    )
    assert site.ranges == [None, "bytes=70000-"]


def test_what_came_is_kept_and_the_next_call_goes_on_from_it(
    site: Any, tmp_path: Path, hasty: RetryPolicy
) -> None:
    site.break_after = [50_000, 20_000]
    with pytest.raises(DownloadError, match="goes on from the 70,000 bytes"):
        download(site.url, tmp_path / "file.bin", checksum=site.md5, patience=hasty)
    assert (tmp_path / "file.bin.part").read_bytes() == site.content[:70_000]
    assert (
        download(site.url, tmp_path / "file.bin", checksum=site.md5, patience=hasty).read_bytes()
        == site.content
    )
    assert site.ranges[-1] == "bytes=70000-"
    assert [path.name for path in tmp_path.iterdir()] == ["file.bin"]


def test_a_server_without_range_starts_over(site: Any, tmp_path: Path, hasty: RetryPolicy) -> None:
    site.break_after, site.accepts_ranges = [70_000], False
    assert (
        download(site.url, tmp_path / "file.bin", checksum=site.md5, patience=hasty).read_bytes()
        == site.content
    )


def test_a_file_that_changed_in_between_starts_over(site: Any, tmp_path: Path, hasty: RetryPolicy) -> None:
    site.break_after = [70_000]
    with pytest.raises(DownloadError):
        download(site.url, tmp_path / "file.bin", patience=RetryPolicy(attempts=1))
    site.content, site.etag = site.content[::-1], '"two"'
    assert download(site.url, tmp_path / "file.bin", patience=hasty).read_bytes() == site.content


def test_a_part_that_is_complete_already_is_accepted(site: Any, tmp_path: Path, hasty: RetryPolicy) -> None:
    (tmp_path / "file.bin.part").write_bytes(site.content)
    (tmp_path / "file.bin.part.json").write_text(f'{{"url": "{site.url}", "validator": "\\"one\\""}}')
    assert (
        download(site.url, tmp_path / "file.bin", checksum=site.md5, patience=hasty).read_bytes()
        == site.content
    )


def test_ctrl_c_keeps_the_part(site: Any, tmp_path: Path, hasty: RetryPolicy) -> None:
    def stop(label: str, done: int, total: int, detail: str = "") -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        download(site.url, tmp_path / "file.bin", report=stop, patience=hasty)
    assert (tmp_path / "file.bin.part").stat().st_size > 0
    assert (
        download(site.url, tmp_path / "file.bin", checksum=site.md5, patience=hasty).read_bytes()
        == site.content
    )
    assert site.ranges[-1] != "bytes=0-"


def test_nobody_listening_is_said(tmp_path: Path) -> None:
    with pytest.raises(DownloadError, match=r"1 attempts.*Check the network"):
        download(
            "http://127.0.0.1:9/file.bin",
            tmp_path / "file.bin",
            patience=RetryPolicy(attempts=1, timeout=2.0),
        )


def test_only_web_addresses_are_fetched(tmp_path: Path) -> None:
    with pytest.raises(DownloadError, match="http"):
        download("file:///etc/passwd", tmp_path / "file.bin")


def test_a_file_where_the_folder_should_be_is_a_storage_error(site: Any, tmp_path: Path) -> None:
    (tmp_path / "folder").write_text("not a folder")
    with pytest.raises(StorageError, match="a file stands where a folder is wanted"):
        download(site.url, tmp_path / "folder" / "file.bin")
