"""Pictures over HTTP: sent, listed, shown, deleted, restored; what is none is refused with its reason."""

from __future__ import annotations

import io
from pathlib import Path

import httpx
import pytest
from PIL import Image
from serve.conftest import Running, as_files, noise_picture, running, upload

from lightfast.library.add import add_pictures
from lightfast.library.library import Library
from lightfast.serve.settings import Limits, ServeSettings


@pytest.fixture
def database() -> None:
    """SQLite; what differs on PostgreSQL is in test_every_route.py and test_review.py."""


def test_pages_lead_through_all_pictures_newest_first(client: httpx.Client):
    ids = upload(client, 5)
    seen, cursor = [], None
    while True:
        page = client.get("/api/assets", params={"limit": 2, **({"cursor": cursor} if cursor else {})}).json()
        seen += [one["id"] for one in page["items"]]
        cursor = page["next"]
        if cursor is None:
            break
    assert seen == sorted(ids, reverse=True)
    assert client.get("/api/assets/ids").json()["ids"] == seen


def test_the_same_picture_twice_is_one(client: httpx.Client):
    first, second = client.post("/api/assets", files=as_files(noise_picture(1), noise_picture(1))).json()[
        "items"
    ]
    assert first["asset_id"] == second["asset_id"]
    again = client.post("/api/assets", files=as_files(noise_picture(1))).json()["items"][0]
    assert again == {"name": "picture0.png", "asset_id": first["asset_id"], "known": True, "unreadable": None}
    assert len(client.get("/api/assets/ids").json()["ids"]) == 1


def test_one_picture_as_the_body(client: httpx.Client):
    answer = client.post(
        "/api/assets",
        content=noise_picture(3),
        params={"name": "x.png"},
        headers={"Content-Type": "image/png"},
    )
    assert answer.status_code == 201
    number = answer.json()["items"][0]["asset_id"]
    assert client.get(f"/api/assets/{number}").json()["asset"]["name"] == "x.png"


def test_what_is_no_picture_is_not_kept_and_says_why(served: Running, client: httpx.Client):
    good, whole = noise_picture(1), noise_picture(2, "JPEG", (200, 200))
    answer = client.post("/api/assets", files=as_files(good, b"%PDF-1.4 nothing", whole[: len(whole) // 2]))
    assert answer.status_code == 201
    items = answer.json()["items"]
    assert [one["asset_id"] is not None for one in items] == [True, False, False]
    assert "PDF" in items[1]["unreadable"]
    assert "truncated" in items[2]["unreadable"]
    kept = [path for path in served.library.kept.rglob("*") if path.is_file()]
    assert len(kept) == 1


def test_a_bomb_is_refused_before_it_is_decoded(library: Library):
    stream = io.BytesIO()
    Image.new("L", (3_000, 3_000)).save(stream, "PNG")
    settings = ServeSettings(port=0, work=False, limits=Limits(pixels=1_000_000))
    with running(library, settings) as found, found.client() as client:
        item = client.post("/api/assets", files=as_files(stream.getvalue())).json()["items"][0]
    assert item["asset_id"] is None
    assert "3000 x 3000 pixels" in item["unreadable"]


def test_files_and_requests_that_are_too_large_are_refused(library: Library):
    limits = Limits(file_bytes=10_000, request_bytes=50_000, text_bytes=1_000, pictures=3)
    with (
        running(library, ServeSettings(port=0, work=False, limits=limits)) as found,
        found.client() as client,
    ):
        large = client.post("/api/assets", files=as_files(b"x" * 20_000))
        huge = client.post("/api/assets", files=as_files(b"x" * 60_000))
        stream = client.post(
            "/api/assets", content=iter([b"x" * 30_000] * 3), headers={"Content-Type": "image/png"}
        )
        text = client.post("/api/review/lease", content=b"{" + b" " * 2_000 + b"}")
        many = client.post("/api/assets", files=as_files(*([b"x"] * 4)))
    assert [one.status_code for one in (large, huge, stream, text)] == [413] * 4
    assert many.status_code == 400
    assert "At most 3 files" in many.json()["cure"]
    assert large.json()["detail"] == "picture0.png has 20000 bytes"


def test_names_of_files_are_shown_and_lead_nowhere(served: Running, client: httpx.Client):
    name = "../../../etc/passwd"
    answer = client.post("/api/assets", files=[("files", (name, noise_picture(1), "image/png"))])
    number = answer.json()["items"][0]["asset_id"]
    assert client.get(f"/api/assets/{number}").json()["asset"]["name"] == "passwd"
    assert list(served.library.folder.parent.rglob("*passwd*")) == []


def test_views_and_originals(client: httpx.Client):
    data = noise_picture(1, "JPEG", (500, 300))
    number = client.post("/api/assets", files=as_files(data)).json()["items"][0]["asset_id"]
    for side, size in ((256, (154, 256)), (1024, (300, 500))):
        answer = client.get(f"/api/assets/{number}/view/{side}")
        assert answer.headers["content-type"] == "image/jpeg"
        assert "immutable" in answer.headers["cache-control"]
        assert Image.open(io.BytesIO(answer.content)).size == size
    original = client.get(f"/api/assets/{number}/original")
    assert original.content == data
    assert original.headers["content-type"] == "image/jpeg"
    assert client.get(f"/api/assets/{number}/view/512").status_code == 422


def test_deleted_and_restored(client: httpx.Client):
    first, second = upload(client, 2)
    assert client.delete(f"/api/assets/{first}").json()["deleted_at"] is not None
    assert client.get("/api/assets/ids").json()["ids"] == [second]
    assert client.get("/api/assets/ids", params={"deleted": True}).json()["ids"] == [first]
    assert client.post(f"/api/assets/{first}/restore").json()["deleted_at"] is None
    assert client.get("/api/assets/ids").json()["ids"] == [second, first]


def test_a_file_that_changed_on_disk_is_named(tmp_path: Path, served: Running, client: httpx.Client):
    path = tmp_path / "photo.png"
    path.write_bytes(noise_picture(1))
    add_pictures(served.library, [str(path)])
    number = client.get("/api/assets/ids").json()["ids"][0]
    assert client.get(f"/api/assets/{number}/original").status_code == 200
    path.write_bytes(noise_picture(2))
    for address in (f"/api/assets/{number}/original", f"/api/assets/{number}/view/1024"):
        answer = client.get(address)
        assert answer.status_code == 409
        assert "moved or changed" in answer.json()["detail"]
    assert client.get(f"/api/assets/{number}/view/256").status_code == 200


def test_cards_in_the_order_asked_for(client: httpx.Client):
    first, second = upload(client, 2)
    cards = client.get("/api/assets/cards", params={"id": [first, 10_000, second]}).json()["items"]
    assert [one["id"] for one in cards] == [first, second]


@pytest.mark.parametrize("cursor", ["%%%", "x", "AAAA", "WzFd", "LTE"])
def test_a_cursor_of_nobody_is_refused(client: httpx.Client, cursor: str):
    answer = client.get("/api/assets", params={"cursor": cursor})
    assert answer.status_code == 422
    assert "Begin at the first page" in answer.json()["cure"]
