"""An XMP packet as elements that know their places in it: it is edited there, and all else stays as it is."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from xml.parsers import expat

RDF = "http://www.w3.org/1999/02/22-rdf-syntax-ns#"
Splice = tuple[int, int, bytes]
"""Bytes start..end of a file, and what stands there instead."""
_UTF8 = "Save the sidecar as UTF-8, then write again."
_TAG = re.compile(rb"<(?:[^>\"']|\"[^\"]*\"|'[^']*')*>")


class MalformedXmp(ValueError):
    """Bytes that are no XMP packet; the text says why, `cure` what to do."""

    def __init__(self, why: str, cure: str = "Mend the sidecar or move it away, then write again.") -> None:
        super().__init__(why)
        self.cure = cure


@dataclass(eq=False)
class Element:
    """An element with the places of its tags in the file, so that the rest of the file can stay as it is,
    byte for byte.
    """

    uri: str
    name: str
    attributes: dict[str, str]
    start: int
    tag: bytes
    end: int = 0
    text: str = ""
    children: list[Element] = field(default_factory=list)

    @property
    def prefix(self) -> str:
        """The prefix of its tag with the colon, "" for the default namespace."""
        written = re.match(rb"<([^\s/>]*)", self.tag)
        return "".join((written[1] if written else b"").decode().rpartition(":")[:2])

    def below(self, uri: str, name: str) -> list[Element]:
        """Elements of this name inside this one, in the order of the file."""
        found, rest = [], list(reversed(self.children))
        while rest:
            one = rest.pop()
            found += [one] if (one.uri, one.name) == (uri, name) else []
            rest += reversed(one.children)
        return found

    def without(self, content: bytes) -> Splice:
        """Nothing instead of the element and the blank space before it."""
        start = self.start
        while start and content[start - 1 : start] in (b" ", b"\t", b"\n", b"\r"):
            start -= 1
        return (start, self.end, b"")

    def inserting(self, text: str) -> Splice:
        """`text` behind the last child; an element that was closed at once is opened."""
        if self.tag.endswith(b"/>"):
            name = self.tag[1:].split(b"/")[0].split()[0]
            return (self.start, self.end, self.tag[:-2].rstrip() + b">" + text.encode() + b"</" + name + b">")
        place = self.children[-1].end if self.children else self.start + len(self.tag)
        return (place, place, text.encode())


def parsed(content: bytes) -> Element:
    """The tree of an XMP packet; raises MalformedXmp.

    Document types are refused: entities can be made to fill any memory.
    """
    reader = expat.ParserCreate(namespace_separator=" ")
    reader.buffer_text = True
    open_: list[Element] = [Element("", "", {}, 0, b"")]

    def start(name: str, attributes: dict[str, str]) -> None:
        uri, _, local = name.rpartition(" ")
        tag = _TAG.match(content, reader.CurrentByteIndex)
        one = Element(uri, local, attributes, reader.CurrentByteIndex, tag[0] if tag else b"")
        open_[-1].children.append(one)
        open_.append(one)

    def end(_name: str) -> None:
        one = open_.pop()
        at_once = one.tag.endswith(b"/>")
        tag = (
            one.tag
            if at_once
            else content[reader.CurrentByteIndex : content.index(b">", reader.CurrentByteIndex) + 1]
        )
        one.end = (one.start if at_once else reader.CurrentByteIndex) + len(tag)

    def characters(text: str) -> None:
        open_[-1].text += text

    def doctype(*_: object) -> None:
        cure = "Save the sidecar without one, then write again."
        raise MalformedXmp("a document type (DOCTYPE) stands in it, which is never read", cure)

    def declaration(_version: str, encoding: str | None, _standalone: int) -> None:
        if encoding and encoding.lower().replace("_", "-") not in ("utf-8", "utf8", "us-ascii", "ascii"):
            raise MalformedXmp(f"its encoding is {encoding}, not UTF-8", _UTF8)

    reader.StartElementHandler, reader.EndElementHandler, reader.CharacterDataHandler = start, end, characters
    reader.StartDoctypeDeclHandler, reader.XmlDeclHandler = doctype, declaration
    try:
        content.decode()
        reader.Parse(content, True)
    except UnicodeDecodeError as error:
        raise MalformedXmp("it is not UTF-8", _UTF8) from error
    except expat.ExpatError as error:
        if not content.strip():
            raise MalformedXmp("empty file", "Move the empty sidecar away, then write again.") from error
        said = f"no whole XML ({expat.ErrorString(error.code)}, line {error.lineno})"
        raise MalformedXmp(said) from error
    if not open_[0].below(RDF, "RDF"):
        raise MalformedXmp("XML, but no XMP: there is no rdf:RDF in it")
    return open_[0]


def edited(content: bytes, splices: Sequence[Splice]) -> bytes:
    """The file with all places changed; of two at one place the first given comes first."""
    for _, (start, end, text) in sorted(
        enumerate(splices), key=lambda entry: (*entry[1][:2], entry[0]), reverse=True
    ):
        content = content[:start] + text + content[end:]
    return content
