"""Pages that wait for a job go on by themselves when it ends."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from serve.conftest import Running
from serve.web.conftest import Visitor, toned

from lightfast.library.add import add_pictures
from lightfast.library.jobs import JobState, claim_job, end_job, list_jobs, new_job
from lightfast.library.library import Library
from lightfast.library.review.lease import enqueue


def begin(library: Library) -> str:
    """Take the newest job in hand."""
    with library.store.read() as connection:
        number = list_jobs(connection)[0].id
    library.store.act(lambda connection: claim_job(connection, number, "w"))
    return number


def end(library: Library, number: str, state: JobState = "done", **more: Any) -> None:
    assert library.store.act(lambda connection: end_job(connection, number, "w", state, **more))


def test_the_first_page_counts_what_a_job_added(
    empty: Running, visit: Callable[..., Visitor], tmp_path: Path
):
    library = empty.library
    library.store.act(lambda connection: new_job(connection, "add", {"sources": ["x"]}))
    number = begin(library)
    visitor = visit(empty)
    visitor.page.wait_for_selector("#running .job")
    assert visitor.page.locator("#pictures").count() == 0
    add_pictures(library, [str(toned(tmp_path / "tones", 3))])
    end(library, number)
    visitor.page.wait_for_selector("#pictures")
    assert visitor.text("#pictures") == "3"


def test_a_folder_without_pictures_is_said_on_the_first_page(empty: Running, visit: Callable[..., Visitor]):
    library = empty.library
    library.store.act(lambda connection: new_job(connection, "add", {"sources": ["x"]}))
    end(library, begin(library), "failed", error="x holds no picture files.")
    visitor = visit(empty)
    visitor.page.wait_for_selector("#running .job")
    assert "x holds no picture files." in visitor.text("#running")


def test_files_that_are_no_pictures_are_counted_on_the_first_page(
    empty: Running, visit: Callable[..., Visitor], tmp_path: Path
):
    (tmp_path / "broken.png").write_bytes(b"no picture")
    add_pictures(empty.library, [str(tmp_path)])
    visitor = visit(empty)
    assert "1 file could not be read as a picture" in visitor.text("#drop")


def test_an_empty_queue_chooses_more_and_shows_them(
    empty: Running, visit: Callable[..., Visitor], tmp_path: Path
):
    library = empty.library
    add_pictures(library, [str(toned(tmp_path / "tones", 3))])
    visitor = visit(empty, "/review")
    visitor.page.get_by_role("button", name="Choose 50 to label next").click()
    visitor.page.wait_for_selector("#choosing .job")
    asked = {"asset_id": 2, "source": "select", "reason": "it stands for 3", "uncertainty": 1.0}
    number = begin(library)
    library.store.act(lambda connection: enqueue(connection, [asked]))
    end(library, number, result={"queued": 1})
    visitor.page.wait_for_selector("#one img")
    assert "it stands for 3" in visitor.text("#why")
    with library.store.read() as connection:
        (job,) = list_jobs(connection)
    assert (job.kind, job.arguments["count"]) == ("select", 50)


def test_what_cannot_be_chosen_is_said_and_may_be_asked_for_again(
    empty: Running, visit: Callable[..., Visitor]
):
    visitor = visit(empty, "/review")
    visitor.page.locator("#more").click()
    visitor.page.wait_for_selector("#choosing .job")
    assert visitor.page.locator("#more").is_disabled()
    end(empty.library, begin(empty.library), "failed", error="pictures: expected at least 4, got 0.")
    visitor.wait_until("!document.getElementById('more').disabled")
    assert "at least 4" in visitor.text("#choosing")
