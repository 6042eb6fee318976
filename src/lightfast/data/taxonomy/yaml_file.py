"""The two YAML forms of a taxonomy as plain rows, with the line of whatever is wrong.

The text is only composed into nodes, never constructed into objects, so that nothing in a file can run code,
a key given twice is seen (a loader keeps the last one silently), and `no` is refused as a name instead of
becoming false.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NoReturn, TypeAlias

from lightfast.base.errors import DataError

# One of yaml's ScalarNode, SequenceNode and MappingNode, told apart by `id`, which yaml's type stubs do not
# know of their common class.
Node: TypeAlias = Any

_FORMS = ("tree", "labels")
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
        found = [key for key in _FORMS if key in top]
        wrong = [key for key in top if key not in _FORMS]
        if len(found) != 1 or wrong:
            got = ", ".join(top) or "nothing"
            raise DataError(
                f"{self.path}: top of the file",
                expected="one key, `tree:` (nested) or `labels:` (flat)",
                got=got,
                cure="Put all labels under it.",
            )
        node = top[found[0]]
        return list(self._children(node, None) if found[0] == "tree" else self._flat(node))

    def _children(self, node: Node, parent: str | None) -> Iterator[Label]:
        """Nested form: a mapping of name → description, or a list of names and such mappings."""
        if node.id == "sequence":
            for entry in node.value:
                yield from (
                    self._children(entry, parent)
                    if entry.id == "mapping"
                    else self._nested(entry, None, parent)
                )
        elif node.id == "mapping":
            self._mapping(node, "labels")
            for key, described in node.value:
                yield from self._nested(key, described, parent)
        else:
            self._wrong(node, "children" if parent else "tree", "names with what stands below them")

    def _nested(self, key: Node, described: Node | None, parent: str | None) -> Iterator[Label]:
        name = self._name(key, "a label's name")
        if described is None or _is_null(described):
            yield Label(name, parent)
            return
        if described.id == "sequence":
            yield Label(name, parent)
            yield from self._children(described, name)
            return
        keys = self._keys(described, f"the description of {name!r}", _NESTED)
        yield self._label(name, parent, keys)
        if "children" in keys and not _is_null(keys["children"]):
            yield from self._children(keys["children"], name)

    def _flat(self, node: Node) -> Iterator[Label]:
        """Flat form: a list of names and of mappings with `name:` and `parent:`."""
        if node.id != "sequence":
            self._wrong(node, "labels", "a list of labels, such as `- {name: dog, parent: animal}`")
        for entry in node.value:
            if entry.id == "scalar":
                yield Label(self._name(entry, "a label's name"))
                continue
            keys = self._keys(entry, "the description of a label", _FLAT)
            if "name" not in keys:
                raise self._error(entry, "a label without a name", "Add `name:`.")
            name = self._name(keys["name"], "a label's name")
            yield self._label(name, self._parent(keys, name), keys)

    def _parent(self, keys: Mapping[str, Node], name: str) -> str | None:
        node = keys.get("parent")
        if node is None or _is_null(node):
            return None
        if node.id == "sequence":
            parents = [self._name(entry, f"a parent of {name!r}") for entry in node.value]
            if len(parents) != 1:
                got = f"{len(parents)} parents ({', '.join(parents)})"
                raise self._error(
                    node, f"{name!r} has {got}", "A label stands in one place: keep one parent."
                )
            return parents[0]
        return self._name(node, f"the parent of {name!r}")

    def _label(self, name: str, parent: str | None, keys: Mapping[str, Node]) -> Label:
        return Label(
            name,
            parent,
            self._synonyms(keys.get("synonyms"), name),
            self._display(keys.get("display"), name),
            self._flag(keys.get("abstract"), name),
        )

    def _synonyms(self, node: Node | None, name: str) -> tuple[str, ...]:
        if node is None or _is_null(node):
            return ()
        return tuple(
            self._name(entry, f"a synonym of {name!r}")
            for entry in (node.value if node.id == "sequence" else [node])
        )

    def _display(self, node: Node | None, name: str) -> dict[str, str]:
        if node is None or _is_null(node):
            return {}
        if node.id != "mapping":
            return {DEFAULT_CLIENT: self._name(node, f"the display name of {name!r}")}
        entries = self._mapping(node, f"display of {name!r}")
        return {
            client: self._name(shown, f"the display name of {name!r} for {client}")
            for client, shown in entries.items()
        }

    def _flag(self, node: Node | None, name: str) -> bool:
        if node is None:
            return False
        said = str(node.value).lower()
        if not node.tag.endswith(":bool") or said not in (*_YES, *_NO):
            self._wrong(node, f"abstract of {name!r}", "true or false")
        return said in _YES

    def _keys(self, node: Node, what: str, allowed: tuple[str, ...]) -> dict[str, Node]:
        keys = self._mapping(node, what)
        for key, value in keys.items():
            if key not in allowed:
                close = difflib.get_close_matches(key, allowed, n=1)
                below = "Labels below it stand under `children:`." if "children" in allowed else ""
                raise self._error(
                    value,
                    f"unknown key {key!r} in {what}",
                    f"Did you mean {close[0]}?" if close else below,
                    expected=", ".join(allowed),
                )
        return keys

    def _mapping(self, node: Node, what: str) -> dict[str, Node]:
        """Key → value of a mapping whose keys are texts, each given once."""
        if node.id != "mapping":
            self._wrong(node, what, "`key: value` lines")
        seen: dict[str, tuple[Node, Node]] = {}
        for key, value in node.value:
            text = self._name(key, f"a name in {what}")
            if text in seen:
                first = seen[text][0].start_mark.line + 1
                raise self._error(
                    key, f"{text!r} is given twice, first in line {first}", "Keep one, or join them."
                )
            seen[text] = (key, value)
        return {text: value for text, (_, value) in seen.items()}

    def _name(self, node: Node, what: str) -> str:
        """A text; yes, 1.0, null and dates are no texts in YAML unless they are quoted."""
        if node.id != "scalar":
            self._wrong(node, what, "a text")
        if not node.tag.endswith(":str"):
            kind = node.tag.rpartition(":")[2]
            cure = f'Quote it: "{node.value}".' if node.value else "Write a name."
            raise self._error(
                node, f"{what} is {node.value or 'empty'}, which YAML reads as {kind}, not as a text", cure
            )
        if not node.value.strip():
            raise self._error(node, f"{what} is empty", "Write a name.")
        return node.value

    def _wrong(self, node: Node, what: str, expected: str) -> NoReturn:
        got = {"mapping": "`key: value` lines", "sequence": "a list"}.get(node.id) or repr(node.value)
        raise DataError(
            f"{self.path}, line {node.start_mark.line + 1}: {what}",
            expected=expected,
            got=got,
            cure=_FORM_CURE,
        )

    def _error(self, node: Node, what: str, cure: str, expected: str = "") -> DataError:
        return DataError(
            f"{self.path}, line {node.start_mark.line + 1}: {what}", expected=expected, cure=cure
        )

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
                place = self.peek_event().start_mark
                if self.check_event(AliasEvent):
                    raise ComposerError(None, None, "aliases (*name) have no place in a taxonomy", place)
                if self.depth == _DEEPEST:
                    raise ComposerError(
                        None,
                        None,
                        "it is nested too deeply; use the flat form, `labels:` with `parent:`",
                        place,
                    )
                self.depth += 1
                node: Node = super().compose_node(parent, index)
                self.depth -= 1
                if node is not None and node.id != "scalar" and node.tag not in _PLAIN:
                    raise ComposerError(None, None, f"type {node.tag} has no place in a taxonomy", place)
                return node

        try:
            return yaml.compose(text, Loader=Composer)
        except yaml.MarkedYAMLError as error:
            mark = error.problem_mark or error.context_mark
            place = f", line {mark.line + 1}" if mark else ""
            raise DataError(
                f"{self.path}{place} is not a YAML taxonomy ({error.problem or error.context})",
                cure=_FORM_CURE,
            ) from error
        except yaml.YAMLError as error:
            raise DataError(
                f"{self.path} is not YAML ({str(error).splitlines()[0]})", cure=_FORM_CURE
            ) from error


def _is_null(node: Node) -> bool:
    return node.id == "scalar" and node.tag.endswith(":null")
