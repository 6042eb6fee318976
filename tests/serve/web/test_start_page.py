"""Pictures come in by the page; what is none is named with its reason."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from serve.conftest import Running
from serve.web.conftest import Visitor, toned

from lightfast.library.summary import summarise

_DROP = """(files) => { const brought = new DataTransfer();
for (const one of files) {
const bytes = Uint8Array.from(atob(one.data), (letter) => letter.charCodeAt(0));
brought.items.add(new File([bytes], one.name)); }
document.body.dispatchEvent(new DragEvent('drop', { dataTransfer: brought, bubbles: true })); }"""


def test_files_are_added_and_what_is_no_picture_is_named(
    empty: Running, visit: Callable[..., Visitor], tmp_path: Path
):
    files = [str(one) for one in sorted(toned(tmp_path / "new", 5).iterdir())]
    (tmp_path / "notes.txt").write_text("no picture", encoding="utf-8")
    visitor = visit(empty)
    assert "Drop pictures here" in visitor.text("#drop")
    visitor.page.set_input_files("#files", [*files, str(tmp_path / "notes.txt")])
    visitor.page.wait_for_selector("#after:not([hidden])")
    assert visitor.text("#added") == "5 pictures added, 1 file could not be read."
    visitor.page.locator("#unread summary").click()
    assert "notes.txt" in visitor.text("#reasons")
    assert summarise(empty.library).pictures == 5


def test_dropped_files_are_added_and_a_second_time_are_known(
    empty: Running, visit: Callable[..., Visitor], tmp_path: Path
):
    import base64

    (file,) = toned(tmp_path / "new", 1).iterdir()
    dropped = [{"name": "a.png", "data": base64.b64encode(file.read_bytes()).decode()}]
    visitor = visit(empty)
    for said in ("1 picture added.", "1 picture added, 1 was there already."):
        visitor.page.evaluate(_DROP, dropped)
        visitor.wait_until(f"document.getElementById('added').textContent === '{said}'")


def test_a_library_with_pictures_says_what_it_holds_and_what_to_do(
    waiting: Running, visit: Callable[..., Visitor]
):
    visitor = visit(waiting)
    assert "30" in visitor.text(".figures")
    visitor.page.get_by_role("link", name="Review One key").click()
    visitor.page.wait_for_selector("#one img")
