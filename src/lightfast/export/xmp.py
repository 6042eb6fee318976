"""XMP sidecars: tags as keywords that photo programs read, each of them suggested or confirmed, beside what
people wrote before.

    confirmed  dc:subject (every name of the path), lr:hierarchicalSubject "animal|dog", digiKam:TagsList
               "animal/dog" suggested  lr:hierarchicalSubject "lightfast|suggested|animal|dog",
               digiKam:TagsList "lightfast/suggested/animal/dog"; the exact names and the probability in
               lf:suggested; never in dc:subject

A sidecar that exists is edited in place: every byte that is not one of our own earlier suggestions stays as
it is.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, get_args
from xml.sax.saxutils import escape, quoteattr

from lightfast.base.errors import DataError, InputError, UnknownName
from lightfast.base.files import write_bytes
from lightfast.data.dataset import Unreadable
from lightfast.data.decode.unreadable import printable
from lightfast.export.xmp_packet import RDF, Element, MalformedXmp, Splice, edited, parsed

State = Literal["suggested", "confirmed"]
Style = Literal["darktable", "lightroom"]
"""darktable (and digiKam): picture.jpg.xmp; lightroom: picture.xmp."""

_Name = tuple[str, str]  # namespace and local name

ROOT = ("lightfast", "suggested")
"""The first two steps of every suggested keyword."""
NAMESPACE = "urn:lightfast:xmp:1.0/"
_DC, _LR, _DIGIKAM = (
    "http://purl.org/dc/elements/1.1/",
    "http://ns.adobe.com/lightroom/1.0/",
    "http://www.digikam.org/ns/1.0/",
)
_SUBJECT, _TREE, _TAGS, _SUGGESTED = (
    (_DC, "subject"),
    (_LR, "hierarchicalSubject"),
    (_DIGIKAM, "TagsList"),
    (NAMESPACE, "suggested"),
)
_ABOUT = {f"{RDF} about", "about"}
_PREFIX = {_DC: "dc", _LR: "lr", _DIGIKAM: "digiKam", NAMESPACE: "lf"}
_CONTAINER = {_SUBJECT: "Bag", _TREE: "Bag", _TAGS: "Seq", _SUGGESTED: "Bag"}
# What separates the steps of a path cannot stand inside a name: the nearest sign that means nothing is
# written in its place.
_STEPS = {_TREE: ("|", "\N{BROKEN BAR}"), _TAGS: ("/", "\N{DIVISION SLASH}")}
_NOT_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_EMPTY = (
    '<?xpacket begin="\ufeff" id="W5M0MpCehiHzreSzNTczkc9d"?>\n<x:xmpmeta xmlns:x="adobe:ns:meta/">\n '
    f'<rdf:RDF xmlns:rdf="{RDF}">\n'
    ' </rdf:RDF>\n</x:xmpmeta>\n<?xpacket end="w"?>\n'
)


@dataclass(frozen=True)
class Keyword:
    """One tag of a picture.

    Attributes:
        path: names from the root of the taxonomy to the tag, e.g. ("animal", "dog"); one name where there is
            no taxonomy.
        state: "suggested" by a model, or "confirmed" by a person (or written by another program).
        probability: of a suggestion, 0..1, or None.
    """

    path: tuple[str, ...]
    state: State = "suggested"
    probability: float | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "path", tuple(self.path))
        if self.state not in get_args(State):
            raise UnknownName("state of a keyword", self.state, get_args(State))
        named = f"keyword {'/'.join(self.path)!r}"
        if not self.path or not all(name.strip() for name in self.path):
            raise DataError(named, expected="a path of names", got="an empty name")
        if any(map(_NOT_XML.search, self.path)):
            characters, got = "characters that XML can hold", "a control character"
            raise DataError(named, expected=characters, got=got, cure="Rename the label.")
        if self.probability is not None and not 0 <= self.probability <= 1:
            raise DataError(f"{named}: probability", expected="0..1", got=str(self.probability))


@dataclass(frozen=True)
class Sidecars:
    """What `write_sidecars` did: the files written or found up to date, and the pictures that got none,
    each with its reason.
    """

    paths: tuple[Path, ...]
    refused: tuple[Unreadable, ...]


class SidecarError(DataError):
    """A sidecar that cannot be read, and is therefore left as it is. `reason` says why in a few words."""

    def __init__(self, path: Path, reason: str) -> None:
        super().__init__(
            f"sidecar {printable(path)} is left as it is: {reason}",
            cure="Mend it or move it away, then write again.",
        )
        self.reason = reason


def sidecar_path(picture: Path | str, style: Style = "darktable") -> Path:
    """Where the sidecar of a picture lies: photo.jpg → photo.jpg.xmp,
    or photo.xmp in the style of Lightroom.
    """
    picture = Path(picture)
    if style not in get_args(Style):
        raise UnknownName("style of sidecars", style, get_args(Style))
    return picture.with_name(f"{picture.name}.xmp") if style == "darktable" else picture.with_suffix(".xmp")


def write_sidecar(picture: Path | str, keywords: Sequence[Keyword], style: Style = "darktable") -> Path:
    """Write the keywords of a picture into its sidecar, atomically, and return the sidecar's path.

    Our own earlier suggestions are replaced by those in `keywords`; confirmed keywords are added; nothing
    else changes. A suggestion that the sidecar already holds as a confirmed keyword is left out. A file that
    would not change is not written.

    Raises SidecarError when a sidecar is there and cannot be read (not XML, no RDF, a document type, not
    UTF-8); it stays untouched.
    """
    path = sidecar_path(picture, style)
    there = _content(path)
    before = _EMPTY.encode() if there is None else there
    try:
        after = _written(before, keywords)
    except MalformedXmp as error:
        raise SidecarError(path, str(error)) from error
    if after != there:
        # A link stays a link: what it leads to is replaced.
        write_bytes(path.resolve() if path.is_symlink() else path, after)
    return path


def write_sidecars(
    rows: Iterable[tuple[Path | str, Sequence[Keyword]]], style: Style = "darktable"
) -> Sidecars:
    """`write_sidecar` for many pictures: what is refused is named with its reason, the rest is done.

    Two pictures of one name (a.jpg and a.png in the style of Lightroom) cannot share a sidecar: the second is
    refused.
    """
    owners: dict[Path, str] = {}
    refused: list[Unreadable] = []
    for picture, keywords in rows:
        path = sidecar_path(picture, style)
        try:
            if path in owners:
                raise SidecarError(path, f"its sidecar {printable(path.name)} is that of {owners[path]}")
            write_sidecar(picture, keywords, style)
            owners[path] = printable(Path(picture).name)
        except InputError as error:
            refused.append(Unreadable(printable(picture), getattr(error, "reason", str(error))))
    return Sidecars(tuple(owners), tuple(refused))


def load_sidecar(path: Path | str) -> tuple[Keyword, ...]:
    """The keywords of a sidecar in the order of the file: hierarchical ones first, then flat ones that no
    path contains.

    Raises SidecarError when it is missing or cannot be read.
    """
    path = Path(path)
    content = _content(path)
    if content is None:
        raise SidecarError(path, "no such file")
    try:
        return _keywords(parsed(content))
    except MalformedXmp as error:
        raise SidecarError(path, str(error)) from error


def _content(path: Path) -> bytes | None:
    try:
        return path.read_bytes()
    except FileNotFoundError:
        return None
    except OSError as error:
        raise SidecarError(path, (error.strerror or type(error).__name__).lower()) from error


def _keywords(root: Element) -> tuple[Keyword, ...]:
    told = _told(root)
    found: dict[tuple[str, tuple[str, ...]], Keyword] = {}
    for name in _STEPS:
        # digiKam's list repeats what the other one says.
        known = {_text(one, name) for one in found.values()}
        for text in _texts(root, name):
            one = told.get((name, text)) or _keyword(text, _STEPS[name][0])
            if one is not None and text not in known:
                found.setdefault((one.state, one.path), one)
    held = {name for one in found.values() if one.state == "confirmed" for name in one.path}
    flat = {text: Keyword((text,), "confirmed") for text in _texts(root, _SUBJECT) if text not in held}
    return (*found.values(), *flat.values())


def _keyword(text: str, sign: str) -> Keyword | None:
    """An item of a list of paths, whose steps `sign` separates."""
    path = tuple(step.strip() for step in text.split(sign) if step.strip())
    if path[:2] == ROOT and len(path) > 2:
        return Keyword(path[2:], "suggested")
    return Keyword(path, "confirmed") if path else None


def _told(root: Element) -> dict[tuple[_Name, str], Keyword]:
    """(property, text there) → the suggestion with its exact names and probability, from lf:suggested."""
    told = {}
    for item in _items(root, _SUGGESTED):
        path = tuple(
            step.text for holder in item.below(NAMESPACE, "path") for step in holder.below(RDF, "li")
        )
        if path and all(name.strip() for name in path):
            share = next((one.text for one in item.below(NAMESPACE, "probability")), "")
            one = Keyword(
                path, "suggested", float(share) if re.fullmatch(r"0(\.\d+)?|1(\.0+)?", share) else None
            )
            told |= {(name, _text(one, name)): one for name in (_TREE, _TAGS)}
    return told


def _written(content: bytes, keywords: Sequence[Keyword]) -> bytes:
    root = parsed(content)
    added, suggested = _by_state(root, keywords)
    wanted = {name: [_text(one, name) for one in added + suggested] for name in _STEPS}
    wanted[_SUBJECT] = [step for one in added for step in one.path]
    held = {name: _foreign(root, name) for name in wanted}
    new = {name: [one for one in dict.fromkeys(wanted[name]) if one not in held[name]] for name in wanted}
    kept = [name for name in _STEPS if new[name] or held[name]]
    return edited(content, _removals(content, root, kept) + _additions(root, new, suggested))


def _by_state(root: Element, keywords: Sequence[Keyword]) -> tuple[list[Keyword], list[Keyword]]:
    """The confirmed keywords, and the suggestions that are not confirmed there; each path once."""
    confirmed, suggested = (
        {one.path: one for one in keywords if one.state == state} for state in ("confirmed", "suggested")
    )
    there = {one.path for one in _keywords(root) if one.state == "confirmed"} | confirmed.keys()
    return list(confirmed.values()), [one for path, one in suggested.items() if path not in there]


def _foreign(root: Element, name: _Name) -> set[str]:
    """The items of a list that are not our suggestions."""
    return {text for text in _texts(root, name) if not _is_ours(text, name)}


def _removals(content: bytes, root: Element, kept: Sequence[_Name]) -> list[Splice]:
    """Our earlier suggestions taken out; a list of which nothing is kept goes whole."""
    lists = [(name, found) for name in _STEPS for found in _properties(root, name)]
    gone = _properties(root, _SUGGESTED)
    gone += [found for name, found in lists if name not in kept and found.below(RDF, "li")]
    items = [
        item
        for name, found in lists
        if found not in gone
        for item in found.below(RDF, "li")
        if _is_ours(item.text, name)
    ]
    return [one.without(content) for one in _with_bare_descriptions(root, gone) + items]


def _additions(
    root: Element, new: Mapping[_Name, Sequence[str]], suggested: Sequence[Keyword]
) -> list[Splice]:
    """New items into the lists that are there; what has none into a further description."""
    splices: list[Splice] = []
    fresh: list[str] = []
    for name, texts in new.items():
        place = _place(root, name) if texts else None
        if place is not None:
            splices.append(_into(place, name, texts))
        elif texts:
            fresh.append(_listed(name, [f"<rdf:li>{escape(text)}</rdf:li>" for text in texts]))
    if suggested:
        fresh.append(_listed(_SUGGESTED, [_told_item(one) for one in suggested]))
    if fresh:
        splices.append(root.below(RDF, "RDF")[0].inserting(_description(root, fresh)))
    return splices


def _is_ours(text: str, name: _Name) -> bool:
    """Whether an item is one of our suggestions."""
    return name in _STEPS and text.strip().startswith(_STEPS[name][0].join((*ROOT, "")))


def _text(keyword: Keyword, name: _Name) -> str:
    """A keyword as an item of lr:hierarchicalSubject or digiKam:TagsList."""
    sign, instead = _STEPS[name]
    steps = (*ROOT, *keyword.path) if keyword.state == "suggested" else keyword.path
    return sign.join(step.replace(sign, instead).strip() for step in steps)


def _descriptions(root: Element) -> list[Element]:
    return [about for rdf in root.below(RDF, "RDF") for about in rdf.children]


def _properties(root: Element, name: _Name) -> list[Element]:
    """A property of the picture, wherever in the RDF it stands."""
    return [one for about in _descriptions(root) for one in about.children if (one.uri, one.name) == name]


def _items(root: Element, name: _Name) -> list[Element]:
    return [item for found in _properties(root, name) for item in found.below(RDF, "li")]


def _texts(root: Element, name: _Name) -> list[str]:
    return [text for item in _items(root, name) if (text := item.text.strip())]


def _with_bare_descriptions(root: Element, gone: Sequence[Element]) -> list[Element]:
    """The properties that go, or the whole description where nothing else stands in it."""
    found: list[Element] = []
    for about in _descriptions(root):
        going = [one for one in about.children if one in gone]
        bare = about.attributes.keys() <= _ABOUT and not about.text.strip()
        found += [about] if going and len(going) == len(about.children) and bare else going
    return found


def _place(root: Element, name: _Name) -> Element | None:
    """What new items go into: the list, an empty property, or None where the property is not there;
    refuses one that is no list.
    """
    if any(f"{name[0]} {name[1]}" in about.attributes for about in _descriptions(root)):
        raise MalformedXmp(f"{_PREFIX[name[0]]}:{name[1]} is no list")
    for found in _properties(root, name):
        holder = next(
            (child for child in found.children if child.uri == RDF and child.name in ("Bag", "Seq", "Alt")),
            None,
        )
        if holder is None and (found.children or found.text.strip()):
            raise MalformedXmp(f"{_PREFIX[name[0]]}:{name[1]} is no list")
        return holder or found
    return None


def _into(place: Element, name: _Name, texts: Sequence[str]) -> Splice:
    """New items at the end of a list, or a list into an empty property."""
    if place.uri == RDF:
        return place.inserting(
            "".join(f"\n     <{place.prefix}li>{escape(text)}</{place.prefix}li>" for text in texts)
        )
    items = "".join(f"<rdf:li>{escape(text)}</rdf:li>" for text in texts)
    return place.inserting(f'<rdf:{_CONTAINER[name]} xmlns:rdf="{RDF}">{items}</rdf:{_CONTAINER[name]}>')


def _listed(name: _Name, items: Sequence[str]) -> str:
    tag, container = f"{_PREFIX[name[0]]}:{name[1]}", f"rdf:{_CONTAINER[name]}"
    body = "".join(f"\n     {item}" for item in items)
    return f"\n   <{tag}>\n    <{container}>{body}\n    </{container}>\n   </{tag}>"


def _told_item(keyword: Keyword) -> str:
    names = "".join(f"<rdf:li>{escape(name)}</rdf:li>" for name in keyword.path)
    sure = (
        "" if keyword.probability is None else f"<lf:probability>{keyword.probability:.4f}</lf:probability>"
    )
    return f'<rdf:li rdf:parseType="Resource"><lf:path><rdf:Seq>{names}</rdf:Seq></lf:path>{sure}</rdf:li>'


def _description(root: Element, properties: Sequence[str]) -> str:
    """A further description of the same picture, with the properties that were not there."""
    attributes = (pair for one in _descriptions(root) for pair in one.attributes.items())
    about = next((value for key, value in attributes if key in _ABOUT), "")
    spaces = "".join(
        f"\n    xmlns:{prefix}={quoteattr(uri)}"
        for uri, prefix in (*_PREFIX.items(), (RDF, "rdf"))
        if any(f"<{prefix}:" in one for one in properties)
    )
    return (
        f"\n  <rdf:Description rdf:about={quoteattr(about)}{spaces}>{''.join(properties)}\n  "
        "</rdf:Description>"
    )
