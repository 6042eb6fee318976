"""The keywords of a sidecar: who wrote which, and how those of a model are replaced in place.

by a person      dc:subject (every name of the path), lr:hierarchicalSubject "animal|dog",
                 digiKam:TagsList "animal/dog"
suggested        lr:hierarchicalSubject "lightfast|suggested|animal|dog", digiKam:TagsList
                 "lightfast/suggested/animal/dog"; the exact names and the probability in lf:suggested;
                 never in dc:subject
by a model that  as by a person; the exact names and the probability in lf:confirmed, and which texts were
is sure enough   added to which list in lf:addedSubject, lf:addedHierarchicalSubject, lf:addedTagsList
in a library     the same without a probability: what a person decided there can be taken back there
rejected         in lf:rejected alone: by a library, or a suggestion that a person has deleted from a list;
                 it is not suggested again
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import chain
from xml.sax.saxutils import escape, quoteattr

from lightfast.export.keyword import Keyword, State
from lightfast.export.xmp_packet import RDF, Element, MalformedXmp, Splice, edited, parsed

_Name = tuple[str, str]  # namespace and local name
_Path = tuple[str, ...]

ROOT = ("lightfast", "suggested")
"""The first two steps of every suggested keyword."""
NAMESPACE = "urn:lightfast:xmp:1.0/"
_DC, _LR, _DIGIKAM = (
    "http://purl.org/dc/elements/1.1/",
    "http://ns.adobe.com/lightroom/1.0/",
    "http://www.digikam.org/ns/1.0/",
)
_SUBJECT, _TREE, _TAGS, _SUGGESTED, _CONFIRMED, _REJECTED = (
    (_DC, "subject"),
    (_LR, "hierarchicalSubject"),
    (_DIGIKAM, "TagsList"),
    (NAMESPACE, "suggested"),
    (NAMESPACE, "confirmed"),
    (NAMESPACE, "rejected"),
)
_ADDED = {name: (NAMESPACE, f"added{name[1][0].upper()}{name[1][1:]}") for name in (_TREE, _TAGS, _SUBJECT)}
"""A list of others → our record of what a model's confirmed keywords added to it."""
_RECORDS = (_SUGGESTED, _CONFIRMED, _REJECTED, *_ADDED.values())
"""Our own properties: written anew each time."""
_STATES: Mapping[_Name, State] = {_SUGGESTED: "suggested", _CONFIRMED: "confirmed", _REJECTED: "rejected"}
_ABOUT = {f"{RDF} about", "about"}
_PREFIX = {_DC: "dc", _LR: "lr", _DIGIKAM: "digiKam", NAMESPACE: "lf"}
# What separates the steps of a path cannot stand inside a name: the nearest sign that means nothing is
# written in its place.
_STEPS = {_TREE: ("|", "\N{BROKEN BAR}"), _TAGS: ("/", "\N{DIVISION SLASH}")}
EMPTY = (
    '<?xpacket begin="\ufeff" id="W5M0MpCehiHzreSzNTczkc9d"?>\n<x:xmpmeta xmlns:x="adobe:ns:meta/">\n '
    f'<rdf:RDF xmlns:rdf="{RDF}">\n'
    ' </rdf:RDF>\n</x:xmpmeta>\n<?xpacket end="w"?>\n'
).encode()
"""A sidecar that holds nothing."""


@dataclass(frozen=True)
class Rewritten:
    """A sidecar with new keywords: its bytes, and how many of the given keywords stand in it as suggested and
    as confirmed by the model; those that a person has confirmed or taken out do not.
    """

    content: bytes
    suggested: int
    confirmed: int


@dataclass(frozen=True)
class _Wanted:
    """The keywords to be written, each path once: by people, and by the model what it is sure of and what it
    suggests. `deleted`: what it was sure of earlier and a person has taken out since; `rejected`: what is not
    to be suggested again.
    """

    people: Sequence[Keyword]
    sure: Sequence[Keyword]
    suggested: Sequence[Keyword]
    deleted: Sequence[Keyword]
    rejected: Sequence[Keyword]

    def texts(self, name: _Name) -> tuple[list[str], list[str], list[str]]:
        """What of people, of `sure` and of `suggested` goes into a list."""
        groups = (self.people, self.sure, self.suggested)
        if name in _STEPS:
            people, sure, suggested = ([_text(one, name) for one in group] for group in groups)
            return people, sure, suggested
        people, sure = ([step for one in group for step in one.path] for group in groups[:2])
        return people, sure, []


def keywords_in(root: Element) -> tuple[Keyword, ...]:
    """The keywords of a parsed sidecar in the order of the file: hierarchical ones first, then flat ones that
    no path contains.
    """
    told = _told(root)
    found: dict[tuple[str, _Path], Keyword] = {}
    for name in _STEPS:
        # digiKam's list repeats what the other one says.
        known = {_text(one, name) for one in found.values()}
        for text in _texts(root, name):
            one = told.get((name, text)) or _keyword(text, _STEPS[name][0])
            if one is not None and text not in known:
                found.setdefault((one.state, one.path), one)
    return (*found.values(), *_flat(root, found.values()))


def _flat(root: Element, hierarchical: Iterable[Keyword]) -> list[Keyword]:
    """The items of dc:subject that no confirmed path contains."""
    held = {name for one in hierarchical if one.state == "confirmed" for name in one.path}
    known = {name: one for one in _recorded(root, _CONFIRMED) for name in one.path}
    ours = _added(root, _SUBJECT)
    return [
        replace(known[text], path=(text,))
        if text in ours and text in known
        else Keyword((text,), "confirmed")
        for text in _but(_texts(root, _SUBJECT), held)
    ]


def _keyword(text: str, sign: str) -> Keyword | None:
    """An item of a list of paths, whose steps `sign` separates."""
    path = tuple(step.strip() for step in text.split(sign) if step.strip())
    if path[:2] == ROOT and len(path) > 2:
        return Keyword(path[2:], "suggested")
    return Keyword(path, "confirmed") if path else None


def _told(root: Element) -> dict[tuple[_Name, str], Keyword]:
    """(property, text there) → the keyword of a model with its exact names and probability."""
    told = {}
    for one in (*_recorded(root, _CONFIRMED), *_recorded(root, _SUGGESTED)):
        told |= {(name, _text(one, name)): one for name in _STEPS}
    held = {name: _added(root, name) for name in _STEPS}
    # What a person had confirmed already was not added, and stays the person's.
    return {
        (name, text): one
        for (name, text), one in told.items()
        if one.state == "suggested" or text in held[name]
    }


def _recorded(root: Element, name: _Name) -> list[Keyword]:
    """The keywords in lf:suggested, lf:confirmed or lf:rejected."""
    state, found = _STATES[name], list[Keyword]()
    for item in _items(root, name):
        path = tuple(
            step.text for holder in item.below(NAMESPACE, "path") for step in holder.below(RDF, "li")
        )
        if path and all(one.strip() for one in path):
            share = next((one.text for one in item.below(NAMESPACE, "probability")), "")
            sure = float(share) if re.fullmatch(r"0(\.\d+)?|1(\.0+)?", share) else None
            found.append(Keyword(path, state, sure, library=state == "confirmed" and sure is None))
    return found


def rewritten(content: bytes, keywords: Sequence[Keyword]) -> Rewritten:
    """A sidecar with these keywords in place of those that we wrote into it before; raises MalformedXmp."""
    root = parsed(content)
    wanted = _wanted(root, keywords)
    held = {name: set(_texts(root, name)) - _ours(root, name) for name in _ADDED}
    new = {name: _but(chain(*wanted.texts(name)), held[name]) for name in _ADDED}
    kept = [name for name in _ADDED if new[name] or held[name]]
    records = [
        (_SUGGESTED, map(_told_item, wanted.suggested)),
        (_CONFIRMED, map(_told_item, (*wanted.sure, *wanted.deleted))),
        (_REJECTED, map(_told_item, wanted.rejected)),
        *((record, map(_item, _added_now(wanted, name, held[name]))) for name, record in _ADDED.items()),
    ]
    fresh = [_listed(name, items) for name, group in records if (items := list(group))]
    content = edited(content, _removals(content, root, kept) + _additions(root, new, fresh))
    return Rewritten(content, len(wanted.suggested), len(wanted.sure))


def _added_now(wanted: _Wanted, name: _Name, held: set[str]) -> list[str]:
    """What the model's confirmed keywords alone bring into a list."""
    people, sure, _ = wanted.texts(name)
    return _but(sure, {*held, *people})


def _but(texts: Iterable[str], known: set[str]) -> list[str]:
    """Each text once, without those in `known`."""
    return [one for one in dict.fromkeys(texts) if one not in known]


def _wanted(root: Element, keywords: Sequence[Keyword]) -> _Wanted:
    people = _by_path(one for one in keywords if one.by_person)
    there = _by_path(one for one in keywords_in(root) if one.by_person) | people
    # What a person decides in a library counts more than what was deleted here.
    decided = _by_path((one for one in keywords if one.library), there)
    rejected = _by_path((*_given(keywords, "rejected"), *_refused(root)), there, decided)
    deleted = _by_path(_taken_out(root), there, rejected)
    sure = _by_path(_given(keywords, "confirmed"), there, deleted, rejected)
    suggested = _by_path(_given(keywords, "suggested"), there, deleted, rejected, sure)
    return _Wanted(*(tuple(group.values()) for group in (people, sure, suggested, deleted, rejected)))


def _given(keywords: Iterable[Keyword], state: State) -> list[Keyword]:
    return [one for one in keywords if one.state == state]


def _refused(root: Element) -> list[Keyword]:
    """What is not to be suggested again: what is recorded so, and every suggestion of ours that somebody has
    deleted from one of the lists.
    """
    gone = [
        Keyword(one.path, "rejected", one.probability)
        for one in _recorded(root, _SUGGESTED)
        if any(_text(one, name) not in _texts(root, name) for name in _STEPS)
    ]
    return [*_recorded(root, _REJECTED), *gone]


def _by_path(keywords: Iterable[Keyword], *but: Mapping[_Path, Keyword]) -> dict[_Path, Keyword]:
    """Each path once, without those in `but`."""
    known = set().union(*but)
    return {one.path: one for one in keywords if one.path not in known}


def _taken_out(root: Element) -> list[Keyword]:
    """What the model confirmed and a person has deleted: of all that it was sure of, dc:subject held the last
    name.
    """
    subject = _texts(root, _SUBJECT)
    return [one for one in _recorded(root, _CONFIRMED) if one.path[-1].strip() not in subject]


def _ours(root: Element, name: _Name) -> set[str]:
    """The items of a list that we have written for a model."""
    return {one for one in _texts(root, name) if _is_suggestion(one, name)} | _added(root, name)


def _added(root: Element, name: _Name) -> set[str]:
    return set(_texts(root, _ADDED[name]))


def _removals(content: bytes, root: Element, kept: Sequence[_Name]) -> list[Splice]:
    """What we wrote earlier taken out; a list of which nothing is kept goes whole."""
    lists = [(name, found) for name in _ADDED for found in _properties(root, name)]
    gone = [found for name in _RECORDS for found in _properties(root, name)]
    gone += [found for name, found in lists if name not in kept and found.below(RDF, "li")]
    items = [item for name, found in lists if found not in gone for item in _our_items(root, name, found)]
    return [one.without(content) for one in _with_bare_descriptions(root, gone) + items]


def _our_items(root: Element, name: _Name, found: Element) -> list[Element]:
    ours = _ours(root, name)
    return [item for item in found.below(RDF, "li") if item.text.strip() in ours]


def _additions(root: Element, new: Mapping[_Name, Sequence[str]], records: Sequence[str]) -> list[Splice]:
    """New items into the lists that are there; what has none, and our records, into a further description."""
    splices: list[Splice] = []
    fresh: list[str] = []
    for name, texts in new.items():
        place = _place(root, name) if texts else None
        if place is not None:
            splices.append(_into(place, name, texts))
        elif texts:
            fresh.append(_listed(name, map(_item, texts)))
    fresh += records
    if fresh:
        splices.append(root.below(RDF, "RDF")[0].inserting(_description(root, fresh)))
    return splices


def _is_suggestion(item: str, name: _Name) -> bool:
    return name in _STEPS and item.startswith(_STEPS[name][0].join((*ROOT, "")))


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
    items, container = "".join(map(_item, texts)), _container(name)
    return place.inserting(f'<rdf:{container} xmlns:rdf="{RDF}">{items}</rdf:{container}>')


def _container(name: _Name) -> str:
    return "Seq" if name == _TAGS else "Bag"


def _item(text: str) -> str:
    return f"<rdf:li>{escape(text)}</rdf:li>"


def _listed(name: _Name, items: Iterable[str]) -> str:
    tag, container = f"{_PREFIX[name[0]]}:{name[1]}", f"rdf:{_container(name)}"
    body = "".join(f"\n     {item}" for item in items)
    return f"\n   <{tag}>\n    <{container}>{body}\n    </{container}>\n   </{tag}>"


def _told_item(keyword: Keyword) -> str:
    names = "".join(map(_item, keyword.path))
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
