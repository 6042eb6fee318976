from __future__ import annotations

import base64
import hashlib
import re
from html.parser import HTMLParser

import numpy as np
import pytest

from lightfast.base.errors import StorageError
from lightfast.report import figures
from lightfast.report.page import (
    Card,
    Cards,
    Cell,
    Figure,
    FigureRow,
    Folded,
    Gallery,
    PictureRow,
    QueuedPicture,
    Section,
    Table,
    Text,
    render_page,
    write_page,
)
from lightfast.report.pictures import picture, picture_grid, queue

VOID = {"meta", "img", "br", "hr", "link", "input"}
EVIL = "<script>alert('x')</script>"


class Reader(HTMLParser):
    """Collects tags and attributes, and complains about tags that do not close in order."""

    def __init__(self, text):
        super().__init__(convert_charrefs=True)
        self.open, self.tags, self.attributes, self.words = [], [], [], []
        self.feed(text)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.attributes += [(tag, name, value) for name, value in attrs]
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.tags.append(tag)
        self.attributes += [(tag, name, value) for name, value in attrs]

    def handle_endtag(self, tag):
        assert self.open.pop() == tag, self.getpos()

    def handle_data(self, data):
        self.words.append(data)

    def values(self, name):
        return [value for _, key, value in self.attributes if key == name]


def every_block(word):
    dot = picture(np.full((8, 8), 99, np.uint8), word, right=False)
    drawing = figures.confusion_figure([[3, 1], [0, 4]], [word, "dog"])
    table = Table((word, "n"), ((word, Cell("1,500", word, "good")),), caption=word, notes=(word,))
    return [
        Section(word, (Text(f"{word}\n\nsecond"), Text(word, note=True)), lead=word),
        Section("Headline", (Cards((Card(word, word, word, "strong"),), lead=word),)),
        Section("Headline", (table, Folded(word, (table,)))),
        Section(
            "Figures",
            (
                Figure(drawing, word),
                FigureRow((Figure(drawing, word, title=word), Figure(dot.uri, word, word)), word),
            ),
        ),
        Section("Pictures", (picture_grid([PictureRow((dot, dot), word)], (word, "clean"), word),)),
        Section("Gallery", (Gallery((dot, dot), word), Folded(word, (Gallery((dot,)),)))),
        Section("Queue", (queue([QueuedPicture(dot, word, word, 0.25, word)], total=9, caption=word),)),
    ]


@pytest.fixture(scope="module")
def text():
    return render_page(
        EVIL,
        EVIL,
        every_block(EVIL),
        {"data_version": "3f9a", "packages": {EVIL: "1.0"}, "command": EVIL, "seed": 0},
    )


@pytest.fixture(scope="module")
def page(text):
    return Reader(text)


def test_tags_close_in_order(page):
    assert {"html", "head", "body", "main", "svg", "table", "figure", "details"} <= set(page.tags)


def test_nothing_is_asked_of_the_network(text, page):
    sources = [value for name in ("src", "href", "action", "data", "poster") for value in page.values(name)]
    assert sources
    assert all(value.startswith(("data:image/", "#")) for value in sources)
    assert re.findall(r"@import|url\((?!#)", text) == []
    assert not {"script", "link", "iframe", "object", "form"}.intersection(page.tags)


def test_the_page_forbids_itself_to_load_anything(page):
    assert any((value or "").startswith("default-src 'none'") for value in page.values("content"))


def test_names_are_escaped_everywhere(text, page):
    assert "<script" not in text
    assert "".join(page.words).count(EVIL) > 20


def test_every_section_and_every_line_of_provenance_is_there(page):
    words = "".join(page.words)
    for expected in (
        "Headline",
        "Figures",
        "Pictures",
        "Queue",
        "data version",
        "3f9a",
        "packages",
        "seed",
        "Provenance",
    ):
        assert expected in words


def test_the_contents_lead_to_ids_that_exist_once(page):
    ids = page.values("id")
    anchors = [value[1:] for tag, key, value in page.attributes if tag == "a" and key == "href"]
    assert len(anchors) == 8
    assert all(ids.count(anchor) == 1 for anchor in anchors)


def test_every_picture_is_described(page):
    alts = [value for tag, key, value in page.attributes if tag == "img" and key == "alt"]
    assert len(alts) == page.tags.count("img")
    assert all(alts)


def test_small_pictures_stay_crisp_and_wrong_ones_are_marked(text):
    assert 'class="crisp"' in text
    assert 'class="shot wrong"' in text
    assert "✗ " in text


def test_rows_left_out_of_the_queue_are_counted(text):
    assert "1 of 9 shown" in text


def folded_page():
    table = Table(("pair", "n"), ((Cell("a → b", anchor="cell-0-1"), "3"),))
    return render_page("A", "B", [Section("One", (table, Folded("a as b", (Text("x"),), "cell-0-1")))], {})


def test_a_link_to_a_folded_part_leads_to_an_id_inside_it():
    text = folded_page()
    assert '<a href="#cell-0-1">a → b</a>' in text
    assert re.search(
        r'<details class="target">\s*<summary>a as b</summary>\s*<span '
        r'id="cell-0-1"></span>\s*<p>x</p>\s*</details>',
        text,
    )


def test_the_only_script_is_the_one_that_the_page_names_by_its_hash():
    text = folded_page()
    scripts = re.findall(r"<script>(.*?)</script>", text, re.DOTALL)
    named = re.search(r"script-src 'sha256-([^']+)'\">", text)
    assert len(scripts) == 1
    assert named
    assert named[1] == base64.b64encode(hashlib.sha256(scripts[0].encode()).digest()).decode()


def test_the_page_is_written_where_asked(tmp_path):
    path = write_page(tmp_path / "run" / "report.html", "A", "B", [], {"seed": 1})
    assert path.read_text(encoding="utf-8").startswith("<!doctype html>")
    assert [entry.name for entry in path.parent.iterdir()] == ["report.html"]


def test_a_file_in_the_place_of_the_folder_is_said(tmp_path):
    (tmp_path / "run").write_text("")
    with pytest.raises(StorageError, match="a file stands where a folder is wanted"):
        write_page(tmp_path / "run" / "report.html", "A", "B", [], {})


def test_sentences_of_the_last_column_stand_under_their_rows_over_the_whole_width():
    long = "not told: the optimiser, the step size and the batch; weights of another library"
    table = Table(("row", "n", "differs"), (("first", "1", long), ("second", "2", "")))
    short = Table(("row", "n", "differs"), (("first", "1", "not told"),))
    pages = [render_page("t", "s", [Section("A", (one,))], {}) for one in (table, short)]
    assert (table.spoken, short.spoken) == (True, False)
    assert f'<td colspan="2"><b>differs</b> {long}</td>' in pages[0]
    assert [page.count('<tr class="said">') for page in pages] == [1, 0]
