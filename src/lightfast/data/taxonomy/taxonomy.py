"""`Taxonomy`: a tree of named labels with synonyms, names for clients, and labels that name no object."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Literal, Self

from lightfast.base.errors import DataError, UnknownName
from lightfast.base.plain import as_json
from lightfast.data.lists.class_names import check_class_names, normalized_name
from lightfast.data.taxonomy.yaml_file import DEFAULT_CLIENT, Label, load_labels

_SEPARATORS = ("/", "|")


@dataclass(frozen=True)
class Taxonomy:
    """One tree of labels or several; see docs/taxonomy.md for its rules.

    Building one checks it: DataError (one line) for no label at all, a name twice, two parents, an unknown
    parent, a cycle (its path is shown), a synonym that is another label's name or synonym, names with "/" or
    "|".

    Attributes:
        labels: every label; however given, they are kept depth first, parents before children, siblings in
            the order given.
        source: what the taxonomy is called in messages.
    """

    labels: tuple[Label, ...]
    source: str = "taxonomy"

    def __post_init__(self) -> None:
        labels = tuple(self.labels)
        _check_labels(labels, self.source)
        below: dict[str | None, list[Label]] = defaultdict(list)
        for label in labels:
            below[label.parent].append(label)
        ordered: list[Label] = []
        waiting = below[None][::-1]
        while waiting:
            label = waiting.pop()
            ordered.append(label)
            waiting += below[label.name][::-1]
        object.__setattr__(self, "labels", tuple(ordered))

    def __len__(self) -> int:
        return len(self.labels)

    def __contains__(self, name: object) -> bool:
        return name in self._by_name

    @cached_property
    def names(self) -> tuple[str, ...]:
        """All names, depth first."""
        return tuple(label.name for label in self.labels)

    @cached_property
    def roots(self) -> tuple[str, ...]:
        """Labels without a parent."""
        return tuple(label.name for label in self.labels if label.parent is None)

    @cached_property
    def clients(self) -> tuple[str, ...]:
        """Every client that some label has a name for."""
        return tuple(
            sorted({client for label in self.labels for client in label.display if client != DEFAULT_CLIENT})
        )

    def label(self, name: str) -> Label:
        """The label called exactly `name`; raises UnknownName with the closest names."""
        if name not in self._by_name:
            raise UnknownName("label", name, self.names)
        return self._by_name[name]

    def children(self, name: str) -> tuple[str, ...]:
        """What stands directly below."""
        return tuple(self._below[self.label(name).name])

    def ancestors(self, name: str) -> tuple[str, ...]:
        """Everything above, the parent first, the root last; empty for a root."""
        found: list[str] = []
        parent = self.label(name).parent
        while parent is not None:
            found.append(parent)
            parent = self._by_name[parent].parent
        return tuple(found)

    def is_abstract(self, name: str) -> bool:
        """Whether the label or one above it is marked as abstract."""
        return any(self.label(one).abstract for one in (name, *self.ancestors(name)))

    def find(self, text: str) -> str | None:
        """The label that `text` means, or None: an exact name, synonym or display name, else one that differs
        in case, spaces, hyphens or underscores only. Names and synonyms win over display names. Raises
        DataError where several labels are meant.
        """
        folded = normalized_name(text).casefold()
        for words in (self._words, self._shown):
            found = words.get(text) or words.get(folded) or set()
            if len(found) > 1:
                raise DataError(
                    f"{text!r} may mean {' or '.join(sorted(found))}", cure="Use the label's own name."
                )
            if found:
                return next(iter(found))
        return None

    def resolve(self, text: str) -> str:
        """`find`, but raises UnknownName with the closest names where nothing is meant."""
        found = self.find(text)
        if found is None:
            raise UnknownName(
                "label", text, {*self.names, *(word for label in self.labels for word in label.synonyms)}
            )
        return found

    def display_name(self, name: str, client: str | None = None) -> str:
        """What `client` calls the label: its own name for it, else the default one, else the label's name;
        raises UnknownName for a client that no label knows.
        """
        if client is not None and client not in self.clients:
            raise UnknownName("client", client, self.clients)
        display = self.label(name).display
        return display.get(client or DEFAULT_CLIENT) or display.get(DEFAULT_CLIENT) or name

    def check_classes(
        self, class_names: Sequence[str], task: Literal["multi-class", "multi-label"] = "multi-class"
    ) -> tuple[str, ...]:
        """The label of every class of a data set, in the order of the classes.

        Raises DataError naming the classes: unknown ones (with the closest label), two that mean one label,
        and for "multi-class" those with labels below them: a picture "of an animal" would compete with dog
        and cat, which it may be as well.
        """
        found = {name: self.find(name) for name in class_names}
        unknown = [name for name, label in found.items() if label is None]
        if unknown:
            what, it = f"class {unknown[0]!r} of the data is not in {self.source}", "it"
            if len(unknown) > 1:
                listed, it = ", ".join(map(repr, unknown[:5])) + ", …" * (len(unknown) > 5), "them"
                what = f"{len(unknown)} classes of the data are not in {self.source}: {listed}"
            close = UnknownName("class", unknown[0], self.names).cure
            raise DataError(what, cure=f"Add {it} to the taxonomy as a label or a synonym. {close}")
        owners: dict[str, str] = {}
        for name in class_names:
            label = self.resolve(name)
            if label in owners:
                raise DataError(
                    f"classes {owners[label]!r} and {name!r} both mean {label!r}",
                    cure="Merge them, or give each a label.",
                )
            owners[label] = name
            if task == "multi-class" and self._below[label]:
                raise DataError(
                    f"class {name!r} has labels below it ({', '.join(self._below[label][:3])})",
                    expected="leaves, where every picture has one label",
                    cure=f"Label its pictures more closely, add a leaf such as 'other {name}', or train "
                    "multi-label.",
                )
        return tuple(owners)

    def as_json(self) -> dict[str, Any]:
        """Plain JSON values, the flat form of the file."""
        return {"labels": as_json(self.labels)}

    @classmethod
    def from_json(cls, content: Mapping[str, Any]) -> Self:
        """Back from `as_json`; raises DataError where it is something else."""
        try:
            labels = tuple(
                Label(
                    row["name"], row["parent"], tuple(row["synonyms"]), dict(row["display"]), row["abstract"]
                )
                for row in content["labels"]
            )
        except (KeyError, TypeError, ValueError) as error:
            raise DataError(
                f"taxonomy is not a taxonomy ({error!r})", cure="Write it with Taxonomy.as_json."
            ) from error
        return cls(labels)

    @cached_property
    def _by_name(self) -> dict[str, Label]:
        return {label.name: label for label in self.labels}

    @cached_property
    def _below(self) -> dict[str, list[str]]:
        below: dict[str, list[str]] = {name: [] for name in self.names}
        for label in self.labels:
            if label.parent is not None:
                below[label.parent].append(label.name)
        return below

    @cached_property
    def _words(self) -> dict[str, set[str]]:
        return _index(self.labels, lambda label: (label.name, *label.synonyms))

    @cached_property
    def _shown(self) -> dict[str, set[str]]:
        return _index(self.labels, lambda label: label.display.values())


def load_taxonomy(path: Path | str) -> Taxonomy:
    """Read a YAML file in the nested (`tree:`) or flat (`labels:`) form; raises DataError,
    one line with the place, for anything wrong.
    """
    source = Path(path)
    return Taxonomy(tuple(load_labels(source)), str(source))


def _index(labels: Iterable[Label], words: Callable[[Label], Iterable[str]]) -> dict[str, set[str]]:
    """Word → labels that it may mean, by its exact and by its folded spelling."""
    found: dict[str, set[str]] = defaultdict(set)
    folded: dict[str, set[str]] = defaultdict(set)
    for label in labels:
        for word in words(label):
            found[word].add(label.name)
            folded[normalized_name(word).casefold()].add(label.name)
    return folded | found


def _check_labels(labels: Sequence[Label], source: str) -> None:
    if not labels:
        raise DataError(f"{source} has no labels", cure="Add at least one label.")
    known: dict[str, Label] = {}
    for label in labels:
        _check_texts(label, source)
        if label.name in known:
            first, said = known[label.name].parent, f"{source}: label {label.name!r}"
            if first == label.parent:
                raise DataError(f"{said} is given twice", cure="Keep one, or rename one.")
            parents = " and ".join(one or "none (a root)" for one in (first, label.parent))
            raise DataError(f"{said} has two parents: {parents}", cure="Keep one of them.")
        known[label.name] = label
    check_class_names(known, source)
    for label in labels:
        if label.parent is not None and label.parent not in known:
            cure = UnknownName("parent", label.parent, known).cure
            raise DataError(f"{source}: parent {label.parent!r} of {label.name!r} is no label", cure=cure)
    _check_cycles(known, source)
    _check_synonyms(labels, source)


def _check_texts(label: Label, source: str) -> None:
    display = label.display if isinstance(label.display, Mapping) else {}
    parent = () if label.parent is None else (label.parent,)
    for text in (label.name, *parent, *label.synonyms, *display, *display.values()):
        if not isinstance(text, str) or not text.strip() or text != text.strip() or not text.isprintable():
            raise DataError(
                f"{source}: {text!r} in label {label.name!r}",
                expected="a text without spaces around it or line breaks in it",
            )
    if not isinstance(label.abstract, bool) or display is not label.display:
        raise DataError(
            f"{source}: label {label.name!r}",
            expected="abstract true or false, display client → name",
            got=f"{label.abstract!r}, {label.display!r}",
        )
    for sign in _SEPARATORS:
        if sign in label.name:
            raise DataError(
                f"{source}: label {label.name!r} holds {sign!r}, which separates the names of a path",
                cure="Rename it; a display name or a synonym may hold it.",
            )


def _check_cycles(known: Mapping[str, Label], source: str) -> None:
    safe: set[str] = set()
    for start in known:
        walked: list[str] = []
        name: str | None = start
        while name is not None and name not in safe:
            if name in walked:
                circle = [*walked[walked.index(name) :], name]
                raise DataError(
                    f"{source}: a cycle of parents, {' → '.join(circle)}",
                    cure="Take the parent of one of them away.",
                )
            walked.append(name)
            name = known[name].parent
        safe.update(walked)


def _check_synonyms(labels: Sequence[Label], source: str) -> None:
    owners = {normalized_name(label.name): (label.name, "name") for label in labels}
    for label in labels:
        for word in label.synonyms:
            owner, kind = owners.setdefault(normalized_name(word), (label.name, "synonym"))
            if owner != label.name:
                taken = "is the name" if kind == "name" and word == owner else f"is also the {kind}"
                raise DataError(
                    f"{source}: synonym {word!r} of {label.name!r} {taken} of {owner!r}",
                    cure="A word means one label: keep it at one.",
                )
