"""One picture by its page: damage and repair before and after, and what a model without a kit says."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from fixtures.runs import give_small_kit
from PIL import Image
from serve.conftest import Running, running
from serve.web.conftest import Visitor

from lightfast.corrupt.suite import corrupt_array
from lightfast.data.images import ImageSet
from lightfast.library.add import add_pictures
from lightfast.library.library import create_library
from lightfast.serve.settings import ServeSettings

pytestmark = pytest.mark.timeout(300)


@pytest.fixture
def repairing(run: Path, blobs: ImageSet, tmp_path: Path) -> Iterator[Running]:
    """A server of three foggy pictures, whose model has a repair kit."""
    folder = give_small_kit(Path(shutil.copytree(run, tmp_path / "run")), blobs)
    foggy = corrupt_array(blobs.images[:3], "fog", 4, np.random.default_rng(0))
    (tmp_path / "foggy").mkdir()
    for row, image in enumerate(foggy):
        Image.fromarray(image[..., 0]).save(tmp_path / "foggy" / f"{row}.png")
    library = create_library(tmp_path / "library")
    add_pictures(library, [str(tmp_path / "foggy")])
    settings = ServeSettings(port=0, local_user="ada", model=str(folder), work=False)
    with running(library, settings) as found:
        yield found
    library.close()


def test_a_picture_is_shown_before_and_after_its_repair(repairing: Running, visit: Callable[..., Visitor]):
    visitor = visit(repairing, "/assets/1")
    page = visitor.page
    page.get_by_role("button", name="Damage and repair").click()
    page.wait_for_selector("#repair-part:not([hidden]) img", timeout=120_000)
    with repairing.client() as client:
        said = client.get("/api/repair/1").json()
    assert page.locator("#repaired figure").count() == (2 if said["attempted"] else 1)
    assert ("No damage" in visitor.text("#damage")) == (said["damage"] == "clean")
    assert (
        page.locator("#repaired figure")
        .first.locator(".tag-row")
        .first.inner_text()
        .startswith(said["before"][0]["label"])
    )
    visitor.wait_until(
        "[...document.querySelectorAll('#repaired img')].every((one) => one.naturalWidth === 12)"
    )


def test_a_model_without_a_kit_says_how_to_make_one(
    repairing: Running, visit: Callable[..., Visitor], tmp_path: Path
):
    shutil.rmtree(tmp_path / "run" / "repair")
    visitor = visit(repairing, "/assets/1")
    visitor.allowed = ("status of 404",)
    visitor.page.get_by_role("button", name="Damage and repair").click()
    visitor.page.wait_for_selector("#say.failed")
    assert "no repair kit. Make one: lightfast repair" in visitor.text("#say")
    assert visitor.page.locator("#repair-part").is_hidden()


def test_labels_that_are_known_are_offered(repairing: Running, visit: Callable[..., Visitor]):
    with repairing.client() as client:
        client.post("/api/labels", json={"name": "middle"})
    visitor = visit(repairing, "/assets/2")
    visitor.wait_until("document.querySelectorAll('#words option').length === 1")
    visitor.page.fill("#label", "middle")
    visitor.page.keyboard.press("Enter")
    visitor.page.wait_for_selector("#tags .tag-row.confirmed")
    assert visitor.page.input_value("#label") == ""
