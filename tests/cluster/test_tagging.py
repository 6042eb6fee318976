"""Files read by the machines of a cluster: what one machine reads, each once, whatever is lost on the way."""

from __future__ import annotations

import csv
import dataclasses
import json
import os
import shutil
import threading
from collections import Counter
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import fsspec
import numpy as np
import pytest
from cluster_tasks import Loopback
from PIL import Image

from lightfast.base.errors import DataError
from lightfast.cli.app import main
from lightfast.cluster.redo import Redo
from lightfast.cluster.tagging import RayTagging
from lightfast.data.dataset import Entry
from lightfast.runs.options import RunOptions
from lightfast.runs.predict.predict import tag_run
from lightfast.tagging.stream import Tagged, tag_files

# Processes start slowly on a busy machine.
pytestmark = pytest.mark.timeout(600)
REDO = Redo(times=2, patience=20)
CPU = RunOptions(device="cpu")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """400 pictures of noise, one of them torn."""
    place = tmp_path_factory.mktemp("pictures")
    rng = np.random.default_rng(5)
    for number in range(400):
        pixels = rng.integers(0, 256, (20, 24, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(place / f"{number:04}.png")
    torn = place / "0123.png"
    torn.write_bytes(torn.read_bytes()[:200])
    return place


def entries_of(folder: Path, count: int) -> list[Entry]:
    return [Entry(path, path.name, 0) for path in sorted(folder.iterdir())[:count]]


def rows_of(path: Path) -> list[list[str]]:
    return list(csv.reader(path.read_text().splitlines()))


def joined(batches: list[Tagged]) -> tuple[list[str], np.ndarray, list[str], list[str]]:
    names = [entry.id for one in batches for entry in one.entries]
    lost = [Path(bad.path).name for one in batches for bad in one.unreadable]
    hashes = [digest for one in batches for digest in one.hashes]
    return names, np.concatenate([one.probs for one in batches]), lost, hashes


def test_a_cluster_reads_what_one_machine_reads_in_the_order_of_the_files(cluster, tagger, folder):
    entries = entries_of(folder, 150)
    here = joined(list(tag_files(tagger, entries, hashed=True)))
    there = joined(list(RayTagging(REDO, block=40)(tagger, entries, hashed=True)))
    assert there[0] == here[0]
    assert len(there[0]) == 149
    np.testing.assert_allclose(there[1], here[1], atol=1e-6)
    assert there[2:] == here[2:]
    assert there[2] == ["0123.png"]
    assert list(RayTagging(REDO)(tagger, [])) == []


def test_a_machine_that_dies_in_the_middle_loses_nothing_and_doubles_nothing(
    cluster, machines, small, folder, tmp_path
):
    plain = tag_run(str(small), [str(folder)], RunOptions(out=tmp_path / "here.csv", device="cpu"))
    dying, killed = machines.add_node(num_cpus=1, object_store_memory=100_000_000), []

    def kill(_label: str, done: int, _total: int, _detail: str = "") -> None:
        if done and not killed:
            killed.append(done)
            machines.remove_node(dying, allow_graceful=False)

    options = RunOptions(
        out=tmp_path / "there.csv", device="cpu", report=kill, tag_files=RayTagging(REDO, block=10)
    )
    found = tag_run(str(small), [str(folder)], options)
    assert killed
    assert killed[0] < 400
    assert (found.n, len(found.unreadable)) == (plain.n, len(plain.unreadable)) == (399, 1)
    here, there = (rows_of(tmp_path / name) for name in ("here.csv", "there.csv"))
    assert [row[:3] for row in there] == [row[:3] for row in here]
    assert len({row[0] for row in there}) == len(there) == 400


def test_a_stopped_job_takes_its_finished_blocks_and_reads_torn_ones_again(cluster, tagger, folder, tmp_path):
    entries, keep = entries_of(folder, 130), tmp_path / "rows.csv.blocks"
    whole = joined(list(tag_files(tagger, entries)))
    tagging = RayTagging(REDO, keep, block=10)
    stream = tagging(tagger, entries)
    first = [next(stream) for _ in range(5)]
    stream.close()
    blocks = sorted(keep.iterdir(), key=lambda path: path.stat().st_mtime_ns)
    assert len(blocks) == 5
    assert sum(len(one.entries) for one in first) == 50
    # Cut in the middle, as a disk that fills up leaves a file that was not written beside and moved.
    blocks[0].write_bytes(blocks[0].read_bytes()[:100])
    # What is taken from its file is not read again: this one says so.
    with np.load(blocks[2]) as held:
        marked = {name: held[name] for name in held.files}
    marked["probs"] = marked["probs"] * 0 + 0.25
    np.savez(blocks[2], **marked)
    names, probs, lost, _ = joined(list(tagging(tagger, entries)))
    assert names == whole[0]
    assert lost == whole[2]
    assert (probs[20:30] == 0.25).all()
    rest = np.r_[0:20, 30 : len(probs)]
    np.testing.assert_allclose(probs[rest], whole[1][rest], atol=1e-6)
    assert len(list(keep.iterdir())) == 13
    tagging.clear()
    assert not keep.exists()
    assert [one.id for one in first[0].entries] == names[:10]


def test_a_block_is_another_one_when_a_file_the_model_or_the_way_is(cluster, tagger, folder, tmp_path):
    entries, keep = entries_of(folder, 4), tmp_path / "kept"

    def kept(block: list[Entry], **changes: object) -> set[str]:
        stream = RayTagging(REDO, keep, block=2)(
            dataclasses.replace(tagger, **changes),
            block,  # pyright: ignore[reportArgumentType]
        )
        next(stream)
        stream.close()
        return {path.name for path in keep.iterdir()}

    first = kept(entries)
    assert kept(entries) == first
    other = dataclasses.replace(tagger.card, source_digest="another")
    assert len(kept(entries, card=other)) == 2
    copied = tmp_path / "copy.png"
    copied.write_bytes(entries[0].path.read_bytes())
    assert len(kept([dataclasses.replace(entries[0], path=copied), entries[1]])) == 3


def test_the_machines_stop_when_nobody_takes_what_they_read(cluster, tagger, folder):
    drawn = []

    def watched() -> Iterator[Entry]:
        for entry in entries_of(folder, 400):
            drawn.append(entry)
            yield entry

    stream = RayTagging(REDO, block=5)(tagger, watched())
    next(stream)
    # Two cores, six blocks each, of five pictures; the first block is taken.
    assert len(drawn) <= 2 * 6 * 5 + 5
    stream.close()


class Site(ThreadingHTTPServer):
    """The pictures over HTTP: 0003.png always answers 503, 0005.png twice; who asked for what is noted."""

    def __init__(self, folder: Path) -> None:
        self.asked: list[tuple[str, str]] = []
        site = self

        class Handler(SimpleHTTPRequestHandler):
            def do_GET(self) -> None:
                name = self.path.lstrip("/")
                before = sum(one == name for one, _ in site.asked)
                site.asked.append((name, self.headers["Process"]))
                if name == "0003.png" or (name == "0005.png" and before < 2):
                    self.send_error(503)
                else:
                    super().do_GET()

            def log_message(self, format: str, *args: object) -> None:
                """Quiet."""

        super().__init__(("127.0.0.1", 0), partial(Handler, directory=str(folder)))

    @property
    def url(self) -> str:
        return f"loopback://127.0.0.1:{self.server_port}"


@pytest.fixture
def site(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Site]:
    """Twelve of the pictures on a server."""
    there = tmp_path / "site"
    there.mkdir()
    for number in range(12):
        shutil.copy(folder / f"{number:04}.png", there)
    (there / "index.json").write_text(json.dumps({f"{number:04}.png": 1.0 for number in range(12)}))
    monkeypatch.setenv("LIGHTFAST_CACHE", str(tmp_path / "cache"))
    fsspec.register_implementation("loopback", Loopback, clobber=True)
    server = Site(there)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


def _require_fetched_elsewhere(site: Site) -> None:
    """Every picture was asked for once, four times and three times where 503 was answered, and not by us."""
    fetched = Counter(name for name, process in site.asked if process != str(os.getpid()))
    assert fetched == {f"{number:04}.png": {3: 4, 5: 3}.get(number, 1) for number in range(12)}
    assert {name for name, process in site.asked if process == str(os.getpid())} <= {"index.json"}


@pytest.mark.parametrize("given", ["folder", "table"])
def test_machines_fetch_what_they_read_and_ask_again_what_answers_503(
    cluster, site, small, folder, tmp_path, given
):
    source = site.url
    if given == "table":
        source = str(tmp_path / "pictures.csv")
        rows = "".join(f"{site.url}/{number:04}.png\n" for number in range(12))
        Path(source).write_text(f"path\n{rows}")
    options = RunOptions(out=tmp_path / "rows.csv", device="cpu", tag_files=RayTagging(REDO, block=4))
    found = tag_run(str(small), [source], options)
    (lost,) = found.unreadable
    assert (found.n, lost.path) == (11, f"{site.url}/0003.png")
    assert "503" in lost.reason
    _require_fetched_elsewhere(site)
    names = [f"{number:04}.png" for number in range(12) if number != 3]
    here = tag_run(str(small), [str(folder / name) for name in names], CPU)
    there = rows_of(tmp_path / "rows.csv")
    assert [row[1] for row in there[1:]] == [f"{site.url}/{name}" for name in names]
    assert here.predictions is not None
    assert [row[2] for row in there[1:]] == [str(one["predicted_label"]) for one in here.predictions]
    assert not [path for path in (tmp_path / "cache").rglob("*.png") if path.stat().st_size]


def test_a_source_that_is_gone_ends_the_job_in_one_line(cluster, site, small, tmp_path):
    table = tmp_path / "pictures.csv"
    table.write_text("path\n" + "".join(f"{site.url}/{number:04}/0003.png\n" for number in range(70)))
    options = RunOptions(out=tmp_path / "rows.csv", device="cpu", tag_files=RayTagging(REDO, block=70))
    site.shutdown()
    site.server_close()
    with pytest.raises(DataError, match=r"^cannot read loopback://.*run it again: what has arrived is kept"):
        tag_run(str(small), [str(table)], options)


def test_a_library_of_addresses_is_tagged_by_who_fetches_and_other_bytes_are_not_taken(
    cluster, site, small, folder, tmp_path
):
    from lightfast.library.add import add_pictures
    from lightfast.library.library import create_library
    from lightfast.library.tag import ModelFacts, register_model, tag_assets
    from lightfast.tagging.runtime import load_tagger

    library, model = create_library(tmp_path / "library"), load_tagger(small, 1)
    # 0003.png and 0005.png are not asked for again here.
    assert add_pictures(library, [site.url]).added == 10
    site.asked.clear()
    shutil.copy(folder / "0100.png", tmp_path / "site" / "0007.png")
    facts = ModelFacts("small", str(small), "small", model.card.class_names, {})
    found = tag_assets(library, model, register_model(library.store, facts), tag=RayTagging(REDO, block=4))
    assert (found.seen, found.lost) == (9, 1)
    assert str(os.getpid()) not in {process for _, process in site.asked}
    library.close()


def test_the_commands_work_on_a_cluster_and_refuse_what_they_cannot(cluster, small, folder, tmp_path, capsys):
    out, words = tmp_path / "rows.csv", ["predict", str(small), str(folder), "--cluster", "auto"]
    assert main([*words, "--out", str(out)]) == 0
    assert len(rows_of(out)) == 400
    assert {path.name for path in tmp_path.iterdir()} == {"rows.csv", "rows.csv.unreadable.csv"}
    assert main([*words, "--objects", "--out", str(tmp_path / "objects")]) == 2
    assert "--objects are looked for on this machine alone. Leave out --cluster." in capsys.readouterr().err


def test_a_library_is_tagged_on_a_cluster_as_it_is_here(cluster, small, folder, tmp_path):
    from lightfast.library.add import add_pictures
    from lightfast.library.library import create_library
    from lightfast.library.tag import ModelFacts, TagResult, register_model, tag_assets
    from lightfast.tagging.runtime import load_tagger

    model = load_tagger(small, 1)
    totals = {}
    for name, tag in (("here", tag_files), ("there", RayTagging(REDO, block=50))):
        library = create_library(tmp_path / name)
        add_pictures(library, [str(folder)])
        facts = ModelFacts("small", str(small), "small", model.card.class_names, {})
        totals[name] = tag_assets(library, model, register_model(library.store, facts), tag=tag)
        again = tag_assets(library, model, register_model(library.store, facts), tag=tag)
        assert again == TagResult()
        library.close()
    assert totals["here"] == totals["there"]
    assert totals["there"].seen == 399
