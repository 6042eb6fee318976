"""The two YAML forms of a taxonomy as plain rows, with the line of whatever is wrong.

The text is only composed into nodes, never constructed into objects, so that nothing in a file can run code,
a key given twice is seen (a loader keeps the last one silently), and `no` is refused as a name instead of
becoming false. (A YAML 1.2 loader would take `no` for a name and `abstract: yes` for a text.)
"""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeAlias

from lightfast.base.errors import DataError

# One of yaml's ScalarNode, SequenceNode and MappingNode, told apart by `id`, which yaml's type stubs do not
# know of their common class.
Node: TypeAlias = Any

_NESTED = ("children", "synonyms", "display", "abstract")
_FLAT = ("name", "parent", "synonyms", "display", "abstract")
_PLAIN = ("tag:yaml.org,2002:map", "tag:yaml.org,2002:seq")
# Levels of lists and mappings; a label below another takes two.
_DEEPEST = 100
_YES, _NO = ("true", "yes", "on"), ("false", "no", "off")
DEFAULT_CLIENT = "default"
_FORM_CURE = "See docs/taxonomy.md for its form."


@dataclass(frozen=True)
class Label:
    """One label of a taxonomy.

    Attributes:
        name: unique in the taxonomy; without "/" and "|", which separate the names of a path.
        parent: name of the label above it, or None for a root.
        synonyms: other words for it, as they occur in data and searches.
        display: client → what this client calls it; the client `default` stands for all that are not named.
        abstract: it names no object but says something of the whole picture (happy, vintage).
    """

    name: str
    parent: str | None = None
    synonyms: tuple[str, ...] = ()
    display: Mapping[str, str] = field(default_factory=dict)
    abstract: bool = False


def load_labels(path: Path) -> list[Label]:
    """The labels of a file in the order in which they stand there; raises DataError with the line of what
    cannot be read.

    What the labels say together (parents that do not exist, cycles) is checked by `Taxonomy`.
    """
    return _Reader(path).labels()


class _Reader:
    """One file; every message begins with its name and the line."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def labels(self) -> list[Label]:
        root = self._composed(self._text())
        if root is None:
            raise DataError(
                f"{self.path} is empty", expected="labels under `tree:` or `labels:`", cure=_FORM_CURE
            )
        top = self._mapping(root, "a taxonomy")
        if set(top) == {"tree"}:
            return list(self._children(top["tree"], None))
        if set(top) == {"labels"}:
            return list(self._flat(top["labels"]))
        raise DataError(
            f"{self.path}: top of the file",
            expected="one key, `tree:` (nested) or `labels:` (flat)",
            got=", ".join(top) or "nothing",
            cure="Put all labels under it.",
        )

    def _children(self, node: Node, parent: str | None) -> Iterator[Label]:
        """Nested form: a mapping of name → description, or a list of names and such mappings."""
        if node.id == "sequence":
            for entry in node.value:
                if entry.id == "mapping":
                    yield from self._children(entry, parent)
                else:
                    yield Label(self._name(entry, "a label's name"), parent)
        elif node.id == "mapping":
            for name, described in self._mapping(node, "labels").items():
                yield from self._nested(name, described, parent)
        else:
            what = "children" if parent else "tree"
            raise self._error(node, what, expected="names with what stands below them")

    def _nested(self, name: str, described: Node, parent: str | None) -> Iterator[Label]:
        keys: Mapping[str, Node] = {}
        below = described
        if described.id != "sequence" and not _is_null(described):
            keys = self._keys(described, f"the description of {name!r}", _NESTED)
            below = keys.get("children")
        yield self._label(name, parent, keys)
        if not _is_null(below):
            yield from self._children(below, name)

    def _flat(self, node: Node) -> Iterator[Label]:
        """Flat form: a list of names and of mappings with `name:` and `parent:`."""
        if node.id != "sequence":
            expected = "a list of labels, such as `- {name: dog, parent: animal}`"
            raise self._error(node, "labels", expected=expected)
        for entry in node.value:
            keys = {"name": entry}
            if entry.id != "scalar":
                keys = self._keys(entry, "the description of a label", _FLAT)
            if "name" not in keys:
                raise self._error(entry, "a label without a name", "Add `name:`.")
            name, parent = self._name(keys["name"], "a label's name"), keys.get("parent")
            parents = self._names(parent, f"a parent of {name!r}")
            if len(parents) != 1 and not _is_null(parent):
                what = f"{name!r} has {len(parents)} parents ({', '.join(parents)})"
                raise self._error(parent, what, "A label stands in one place: keep one parent.")
            yield self._label(name, parents[0] if parents else None, keys)

    def _label(self, name: str, parent: str | None, keys: Mapping[str, Node]) -> Label:
        synonyms = self._names(keys.get("synonyms"), f"a synonym of {name!r}")
        display = self._display(keys.get("display"), name)
        abstract = keys.get("abstract")
        said = "false" if abstract is None else str(abstract.value).lower()
        if abstract is not None and (not abstract.tag.endswith(":bool") or said not in (*_YES, *_NO)):
            raise self._error(abstract, f"abstract of {name!r}", expected="true or false")
        return Label(name, parent, synonyms, display, said in _YES)

    def _names(self, node: Node, what: str) -> tuple[str, ...]:
        """None, one name or a list of them."""
        if _is_null(node):
            return ()
        return tuple(self._name(entry, what) for entry in (node.value if node.id == "sequence" else [node]))

    def _display(self, node: Node, name: str) -> dict[str, str]:
        if _is_null(node):
            return {}
        what = f"the display name of {name!r}"
        if node.id != "mapping":
            return {DEFAULT_CLIENT: self._name(node, what)}
        entries = self._mapping(node, f"display of {name!r}")
        return {client: self._name(shown, f"{what} for {client}") for client, shown in entries.items()}

    def _keys(self, node: Node, what: str, allowed: tuple[str, ...]) -> dict[str, Node]:
        keys = self._mapping(node, what)
        for key, value in keys.items():
            if key not in allowed:
                close = difflib.get_close_matches(key, allowed, n=1)
                cure = "Labels below it stand under `children:`." if "children" in allowed else _FORM_CURE
                cure = f"Did you mean {close[0]}?" if close else cure
                raise self._error(value, f"unknown key {key!r} in {what}", cure, ", ".join(allowed))
        return keys

    def _mapping(self, node: Node, what: str) -> dict[str, Node]:
        """Key → value of a mapping whose keys are texts, each given once."""
        if node.id != "mapping":
            raise self._error(node, what, expected="`key: value` lines")
        found: dict[str, Node] = {}
        lines: dict[str, int] = {}
        for key, value in node.value:
            text = self._name(key, f"a name in {what}")
            if text in found:
                said = f"{text!r} is given twice, first in line {lines[text]}"
                raise self._error(key, said, "Keep one, or join them.")
            found[text], lines[text] = value, key.start_mark.line + 1
        return found

    def _name(self, node: Node, what: str) -> str:
        """A text; yes, 1.0, null and dates are no texts in YAML unless they are quoted."""
        if node.id != "scalar":
            raise self._error(node, what, expected="a text")
        if not node.tag.endswith(":str"):
            kind = node.tag.rpartition(":")[2]
            said = f"{what} is {node.value or 'empty'}, which YAML reads as {kind}, not as a text"
            raise self._error(node, said, f'Quote it: "{node.value}".' if node.value else "Write a name.")
        if not node.value.strip():
            raise self._error(node, f"{what} is empty", "Write a name.")
        return node.value

    def _error(self, node: Node, what: str, cure: str = "", expected: str = "") -> DataError:
        """What is wrong in the line of `node`; without a cure of its own also what stands there."""
        got = {"mapping": "`key: value` lines", "sequence": "a list"}.get(node.id) or repr(node.value)
        place = f"{self.path}, line {node.start_mark.line + 1}: {what}"
        return DataError(place, expected=expected, got="" if cure else got, cure=cure or _FORM_CURE)

    def _text(self) -> str:
        try:
            return self.path.read_text(encoding="utf-8-sig")
        except UnicodeDecodeError as error:
            raise DataError(
                f"{self.path} is not UTF-8 text ({error.reason} at byte {error.start})",
                cure="Save it as UTF-8.",
            ) from error
        except FileNotFoundError as error:
            raise DataError(f"no such taxonomy file: {self.path}", cure=_FORM_CURE) from error
        except OSError as error:
            raise DataError(
                f"cannot read the taxonomy {self.path}: {error.strerror}",
                cure="Give a file that you may read.",
            ) from error

    def _composed(self, text: str) -> Node | None:
        import yaml
        from yaml.composer import ComposerError
        from yaml.events import AliasEvent

        class Composer(yaml.SafeLoader):
            """Refuses aliases, which can make a tree that contains itself or a billion labels, foreign types,
            and bottomless nesting.
            """

            depth = 0

            def compose_node(self, parent: Node | None, index: int) -> Node | None:
                place, wrong = self.peek_event().start_mark, ""
                node: Node = None
                if self.check_event(AliasEvent):
                    wrong = "aliases (*name) have no place in a taxonomy"
                elif self.depth == _DEEPEST:
                    wrong = "it is nested too deeply; use the flat form, `labels:` with `parent:`"
                else:
                    self.depth += 1
                    node = super().compose_node(parent, index)
                    self.depth -= 1
                if node is not None and node.id != "scalar" and node.tag not in _PLAIN:
                    wrong = f"type {node.tag} has no place in a taxonomy"
                if wrong:
                    raise ComposerError(None, None, wrong, place)
                return node

        try:
            return yaml.compose(text, Loader=Composer)
        except yaml.MarkedYAMLError as error:
            mark = error.problem_mark or error.context_mark
            place = f", line {mark.line + 1}" if mark else ""
            said = f"{self.path}{place} is not a YAML taxonomy ({error.problem or error.context})"
            raise DataError(said, cure=_FORM_CURE) from error
        except yaml.YAMLError as error:
            said = f"{self.path} is not YAML ({str(error).splitlines()[0]})"
            raise DataError(said, cure=_FORM_CURE) from error


def _is_null(node: Node) -> bool:
    return node is None or (node.id == "scalar" and node.tag.endswith(":null"))
