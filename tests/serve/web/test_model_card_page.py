"""A library that trains: its model's card, the next model by the page, promoted and rolled back."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
from library.brightness import add_greys, confirm, numbers_of, truth_of
from serve.conftest import Running, running
from serve.web.conftest import Visitor

from lightfast.library.library import create_library
from lightfast.library.promote import list_models, promote_model
from lightfast.runs.library.pile import RetrainOptions
from lightfast.runs.library.retrain import retrain_library
from lightfast.runs.library.tag import promoted_run, tag_library
from lightfast.runs.options import RunOptions
from lightfast.serve.settings import ServeSettings
from lightfast.train.recipe import Recipe

pytestmark = pytest.mark.timeout(300)


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """60 pictures, a first model in use that learned from 30 of them and has seen all; 10 decided since."""
    folder = tmp_path_factory.mktemp("trained")
    library = create_library(folder / "library")
    add_greys(library, folder / "greys", 60)
    confirm(library, numbers_of(library)[:30], truth_of(library))
    recipe = Recipe.of(epochs=12, batch_size=8, learning_rate=1e-2)
    retrain_library(library, RunOptions(), RetrainOptions("mlp", recipe))
    tag_library(library, promoted_run(library), RunOptions())
    confirm(library, numbers_of(library)[30:40], truth_of(library))
    with running(library, ServeSettings(port=0, local_user="ada", work=True)) as found:
        yield found
    library.close()


def in_use(served: Running) -> list[str]:
    return [one.name for one in list_models(served.library.store) if one.in_use]


def test_cells_of_the_matrix_open_their_pictures(trained: Running, visit: Callable[..., Visitor]):
    visitor = visit(trained, "/models")
    page = visitor.page
    page.wait_for_selector(".matrix td button")
    assert page.locator("#confusion-note").inner_text().startswith("6 pictures.")
    assert page.locator("#classes tr").count() == 2
    page.locator("#which").select_option("library")
    assert page.locator("#confusion-note").inner_text().startswith("16 pictures.")
    cell = page.locator(".matrix td.right button").first
    count, truth = int(cell.inner_text()), truth_of(trained.library)
    given = cell.locator("xpath=ancestor::tr").locator("th").inner_text()
    cell.click()
    page.wait_for_selector("#pile a")
    opened = page.locator("#pile a").evaluate_all(
        "all => all.map((one) => Number(one.href.split('/').pop()))"
    )
    assert len(opened) == count
    assert {truth[one] for one in opened} == {given}
    page.locator("#pile a").first.click()
    page.wait_for_selector("#tags .tag-row")


def test_a_wanted_precision_shows_what_it_leaves_to_people(trained: Running, visit: Callable[..., Visitor]):
    visitor = visit(trained, "/models")
    page = visitor.page
    page.wait_for_selector("#costs tr")
    page.fill("#wanted", "99.99")
    page.keyboard.press("Enter")
    visitor.wait_until(
        "[...document.querySelectorAll('#costs th')].some((one) => one.textContent === '99.99 %')"
    )
    cells = page.locator("#costs tr", has_text="99.99 %").locator("td").all_inner_texts()
    assert cells == ["not proven", "", "", "0 (0 %)", "20"]
    with trained.client() as client:
        most = client.get("/api/models/1/review-cost", params={"precision": 0.5}).json()["provable"]
        answer = client.get("/api/models/1/review-cost", params={"precision": most}).json()
    shown = f"{100 * most:.4g}"
    page.fill("#wanted", shown)
    page.keyboard.press("Enter")
    visitor.wait_until(
        f"[...document.querySelectorAll('#costs th')].some((one) => one.textContent === '{shown} %')"
    )
    row = page.locator("#costs tr", has_text=f"{shown} %").first.locator("td").all_inner_texts()
    assert row[0] == f"{answer['items'][0]['threshold']:.3f}"
    assert row[-1] == str(answer["items"][0]["queued"])


def test_what_is_not_measured_names_its_command(trained: Running, visit: Callable[..., Visitor]):
    visitor = visit(trained, "/models")
    visitor.page.wait_for_selector("#ways li")
    commands = visitor.page.locator("#ways code").all_inner_texts()
    assert [one.split()[1] for one in commands] == ["evaluate", "sweep", "repair"]


def test_damage_is_measured_from_the_card_and_shown_there(trained: Running, visit: Callable[..., Visitor]):
    visitor = visit(trained, "/models")
    page = visitor.page
    page.select_option("#suite", "camera")
    page.get_by_role("button", name="Measure under damage").click()
    page.wait_for_selector("#robust tbody tr", timeout=200_000)
    assert page.locator("#robust tbody th").all_inner_texts() == [
        "gaussian_noise",
        "gaussian_blur",
        "contrast",
        "jpeg_compression",
    ]
    assert visitor.text("#robust-note").startswith("camera, 6 pictures")
    assert [one.split()[1] for one in page.locator("#ways code").all_inner_texts()] == ["sweep", "repair"]


def test_a_training_by_the_page_shows_the_new_model_which_is_taken_into_use_and_back(
    trained: Running, visit: Callable[..., Visitor]
):
    promote_model(trained.library.store, 1)
    visitor = visit(trained, "/models")
    page = visitor.page
    page.get_by_role("button", name="Train with the new decisions").click()
    page.wait_for_selector(".job .badge.done, .job .badge.failed", timeout=200_000)
    assert page.locator(".job .wrong-text").count() == 0, visitor.text(".job .wrong-text")
    row = page.locator("#models tr", has_text="retrain-0002")
    row.wait_for()
    # Eight pictures never prove that it is no worse, so that it waits for somebody to take it into use.
    assert in_use(trained) == ["retrain-0001"]
    assert page.locator("#ledger tr").count() == 2
    row.get_by_role("button", name="Use it").click()
    visitor.wait_until("document.getElementById('say').textContent === 'retrain-0002 is in use.'")
    assert in_use(trained) == ["retrain-0002"]
    row.locator(".badge.use").wait_for()
    page.get_by_role("button", name="Back to the one before").click()
    visitor.wait_until("document.getElementById('say').textContent.includes('before is in use')")
    assert in_use(trained) == ["retrain-0001"]
