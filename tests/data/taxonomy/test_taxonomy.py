"""The taxonomy: what it answers, and every way in which a file can be wrong,
each with one line that says where.
"""

from __future__ import annotations

import json

import pytest
import yaml

from lightfast.base.errors import DataError, UnknownName
from lightfast.data.taxonomy.taxonomy import Label, Taxonomy, load_taxonomy

NESTED = """
tree:
  animal:
    synonyms: [beast, fauna]
    display: {acme: Tiere}
    children:
      dog: {synonyms: hound, display: {acme: Hund, default: Dogs}}
      cat:
      bird: [sparrow, eagle]
  vehicle:
    children: [car, bicycle]
  mood:
    abstract: true
    children: [happy, sad]
"""
FLAT = """
labels:
  - {name: dog, parent: animal, synonyms: [hound], display: {acme: Hund, default: Dogs}}
  - {name: animal, synonyms: [beast, fauna], display: {acme: Tiere}}
  - {name: cat, parent: animal}
  - {name: bird, parent: animal}
  - {name: sparrow, parent: bird}
  - {name: eagle, parent: bird}
  - vehicle
  - {name: car, parent: vehicle}
  - {name: bicycle, parent: vehicle}
  - {name: mood, abstract: yes}
  - {name: happy, parent: mood}
  - {name: sad, parent: mood}
"""


@pytest.fixture
def read(tmp_path):
    def read(text: str | bytes) -> Taxonomy:
        path = tmp_path / "taxonomy.yaml"
        path.write_bytes(text.encode() if isinstance(text, str) else text)
        return load_taxonomy(path)

    return read


@pytest.fixture
def animals(read) -> Taxonomy:
    return read(NESTED)


def test_both_forms_say_the_same(read):
    assert read(FLAT).labels == read(NESTED).labels


def test_labels_stand_depth_first_in_the_order_of_the_file(animals):
    assert animals.names == (
        "animal",
        "dog",
        "cat",
        "bird",
        "sparrow",
        "eagle",
        "vehicle",
        "car",
        "bicycle",
        "mood",
        "happy",
        "sad",
    )
    assert animals.roots == ("animal", "vehicle", "mood")


def test_what_stands_above_and_below(animals):
    assert animals.ancestors("eagle") == ("bird", "animal")
    assert animals.children("animal") == ("dog", "cat", "bird")
    with pytest.raises(UnknownName, match="Did you mean eagle"):
        animals.ancestors("eagel")


def test_what_stands_below_an_abstract_label_is_abstract(animals):
    assert [name for name in animals.names if animals.is_abstract(name)] == ["mood", "happy", "sad"]


@pytest.mark.parametrize("text", ["dog", "Dog", " DOG ", "hound", "Hound", "Hund", "dogs"])
def test_a_label_is_found_by_name_synonym_and_display_name(animals, text):
    assert animals.resolve(text) == "dog"


def test_an_unknown_word_is_answered_with_the_closest(animals):
    assert animals.find("wolf") is None
    with pytest.raises(UnknownName, match="sparrow"):
        animals.resolve("sparow")


def test_a_display_name_of_two_labels_is_ambiguous_but_names_win():
    both = {"acme": "Pet"}
    shown = Taxonomy((Label("dog", display=both), Label("cat", display=both)))
    with pytest.raises(DataError, match="cat or dog"):
        shown.find("pet")
    assert Taxonomy((Label("dog", display={"acme": "cat"}), Label("cat"))).resolve("cat") == "cat"


def test_a_client_gets_its_own_name_else_the_default_else_the_name(animals):
    assert [animals.display_name("dog", client) for client in ("acme", None)] == ["Hund", "Dogs"]
    assert animals.display_name("cat", "acme") == "cat"
    with pytest.raises(UnknownName, match="Did you mean acme"):
        animals.display_name("dog", "acne")


def test_single_letters_keep_their_case():
    letters = Taxonomy((Label("A"), Label("a")))
    assert [letters.resolve(text) for text in "Aa"] == ["A", "a"]


def test_it_travels_as_json(animals):
    content = json.loads(json.dumps(animals.as_json()))
    assert Taxonomy.from_json(content).labels == animals.labels


def test_its_json_is_a_file_that_can_be_read_again(animals, read):
    assert read(yaml.safe_dump(animals.as_json(), sort_keys=False)).labels == animals.labels


@pytest.mark.parametrize("content", [{}, {"labels": 3}, {"labels": [{"name": "dog"}]}, {"labels": ["dog"]}])
def test_json_of_something_else_is_refused(content):
    with pytest.raises(DataError, match="not a taxonomy"):
        Taxonomy.from_json(content)


def test_classes_are_mapped_by_name_and_synonym(animals):
    assert animals.check_classes(("Hound", "cat", "Bicycle")) == ("dog", "cat", "bicycle")


@pytest.mark.parametrize(
    "classes, said",
    [
        (("dog", "wolf"), "class 'wolf' of the data is not in"),
        (("dog", "wolf", "fox"), "2 classes of the data are not in .*'wolf', 'fox'"),
        (("dog", "hound"), "'dog' and 'hound' both mean 'dog'"),
        (("dog", "bird"), "'bird' has labels below it .sparrow, eagle.*train multi-label"),
    ],
)
def test_classes_that_do_not_fit_are_named(animals, classes, said):
    with pytest.raises(DataError, match=said):
        animals.check_classes(classes)


def test_an_inner_label_may_be_a_class_of_several(animals):
    assert animals.check_classes(("dog", "fauna"), "multi-label") == ("dog", "animal")


BAD = {
    "cycle": ("labels: [{name: a, parent: c}, {name: b, parent: a}, {name: c, parent: b}]", "a → c → b → a"),
    "own parent": ("labels: [{name: a, parent: a}]", "a → a"),
    "two parents, flat": (
        "labels:\n- pet\n- animal\n- {name: dog, parent: [pet, animal]}",
        r"line 4: 'dog' has 2 parents \(pet, animal\)",
    ),
    "two parents, nested": ("tree: {pet: [dog], animal: [dog]}", "'dog' has two parents: pet and animal"),
    "root and child": (
        "labels: [dog, animal, {name: dog, parent: animal}]",
        r"two parents: none \(a root\) and animal",
    ),
    "unknown parent": (
        "labels: [animal, {name: dog, parent: animl}]",
        "parent 'animl' of 'dog' is no label. Did you mean animal",
    ),
    "twice": ("labels: [dog, dog]", "'dog' is given twice"),
    "key twice": (
        "tree:\n  dog: {synonyms: a}\n  cat:\n  dog: {synonyms: b}",
        "line 4: 'dog' is given twice, first in line 2",
    ),
    "spelled alike": ("tree: [hot dog, Hot-Dog]", "spelled alike"),
    "synonym is a name": (
        "tree: {dog: {synonyms: cat}, cat: }",
        "synonym 'cat' of 'dog' is the name of 'cat'",
    ),
    "synonym of two": (
        "tree: {dog: {synonyms: pet}, cat: {synonyms: Pet}}",
        "synonym 'Pet' of 'cat' is also the synonym of 'dog'",
    ),
    "no YAML": ("tree:\n  dog: [a, b\n  cat: x: y", r"line \d.* is not a YAML taxonomy"),
    "yes": (
        "tree:\n  answer: [yes, maybe]",
        'line 2: a label\'s name is yes, which YAML reads as bool, not as a text. Quote it: "yes"',
    ),
    "number": ("tree: [1.0]", 'reads as float.*Quote it: "1.0"'),
    "null key": ("tree: {null: [dog]}", 'Quote it: "null"'),
    "null name": ("labels: [{name: , parent: a}]", "empty, which YAML reads as null"),
    "date": ("tree: [2024-01-01]", "timestamp"),
    "empty name": ("tree: ['  ']", "name is empty"),
    "spaces": ("tree: [' dog']", "without spaces around it"),
    "line break": ('tree: ["do\\ng"]', "line breaks"),
    "slash": ("tree: [cat/dog]", "separates the names of a path"),
    "empty file": ("", "is empty"),
    "comment only": ("# nothing\n", "is empty"),
    "empty tree": ("tree: []", "has no labels"),
    "null tree": ("tree:", "expected names"),
    "list at top": ("- dog", "expected `key: value` lines, got a list"),
    "no form": ("animals: [dog]", "expected one key"),
    "both forms": ("tree: [a]\nlabels: [b]", "expected one key"),
    "misspelled key": ("tree: {dog: {synonym: hound}}", "unknown key 'synonym'.*Did you mean synonyms"),
    "children without the word": (
        "tree: {animal: {dog: , cat: }}",
        "unknown key 'dog'.*stand under `children:`",
    ),
    "synonyms of the wrong kind": (
        "tree: {dog: {synonyms: {a: b}}}",
        "a synonym of 'dog': expected a text|expected a text",
    ),
    "display list": ("tree: {dog: {display: [a]}}", "display name of 'dog'"),
    "abstract text": (
        "tree: {dog: {abstract: maybe}}",
        "abstract of 'dog': expected true or false, got 'maybe'",
    ),
    "a name as children": ("tree: {animal: {children: dog}}", "children: expected names"),
    "a scalar for a description": (
        "tree: {animal: dog}",
        "description of 'animal': expected `key: value` lines, got 'dog'",
    ),
    "flat without name": ("labels: [{parent: a}]", "a label without a name"),
    "flat as mapping": ("labels: {a: b}", "expected a list of labels"),
    "alias": ("tree: &a {animal: {children: *a}}", "line 1.*aliases"),
    "code": ("tree: !!python/object/apply:os.system ['true']", "line 1.*python/object.*no place"),
    "two documents": ("tree: [a]\n---\ntree: [b]", "line 2.*another document"),
    "control character": ("tree: [a\x00]", "not YAML|not a YAML"),
}


@pytest.mark.parametrize("text, said", BAD.values(), ids=BAD)
def test_a_wrong_file_is_refused_in_one_line(read, text, said):
    with pytest.raises(DataError, match=said) as caught:
        read(text)
    assert "\n" not in str(caught.value)
    assert "taxonomy.yaml" in str(caught.value)


def test_bytes_that_are_no_text_are_refused(read):
    with pytest.raises(DataError, match="not UTF-8"):
        read(b"tree: [\xff\xfe]")


def test_what_is_nested_too_deeply_is_refused(read):
    with pytest.raises(DataError, match="nested too deeply"):
        read("tree: " + "[" * 900 + "]" * 900)


def test_a_missing_file_and_a_folder_are_refused(tmp_path):
    with pytest.raises(DataError, match="no such taxonomy file"):
        load_taxonomy(tmp_path / "none.yaml")
    with pytest.raises(DataError, match="cannot read"):
        load_taxonomy(tmp_path)


def test_names_in_any_script_and_with_commas(read):
    found = read("tree: {動物: ['crème, brûlée', 🐶]}")
    assert found.resolve("Crème, Brûlée") == "crème, brûlée"
    assert found.ancestors("🐶") == ("動物",)


def test_several_unknown_classes_and_broken_files_are_told_with_a_cure(tmp_path):
    (tmp_path / "good.yaml").write_text("tree: {x: [a]}")
    with pytest.raises(DataError, match=r"2 classes of the data are not in .*: 'b', 'c'. Add them"):
        load_taxonomy(tmp_path / "good.yaml").check_classes(("a", "b", "c"))
    for text in ("tree: [a, {b\n", "- a\n", "tree: a\n"):
        (tmp_path / "bad.yaml").write_text(text)
        with pytest.raises(DataError, match=r"See docs/taxonomy\.md"):
            load_taxonomy(tmp_path / "bad.yaml")
