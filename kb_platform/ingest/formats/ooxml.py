"""Parts of an Excel or PowerPoint file: a checked ZIP archive whose XML parts refer to each other by relationships."""

import io
import posixpath
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from kb_platform.ingest.formats.docx_archive import check_archive
from kb_platform.ingest.limits import ParseLimits
from kb_platform.ingest.unreadable import DocumentUnreadable


class Package:
    """The parts by name."""

    def __init__(self, archive: zipfile.ZipFile) -> None:
        """Take an archive that was checked."""
        self._archive, self._names = archive, set(archive.namelist())

    def root(self, part: str) -> Any:
        """Return the root of a part's XML, its names without namespaces; None where there is no such part."""
        from lxml import etree  # pyright: ignore[reportAttributeAccessIssue]  a compiled module without types

        if part not in self._names:
            return None
        root = etree.fromstring(self._archive.read(part), etree.XMLParser(resolve_entities=False, no_network=True, load_dtd=False))
        for element in root.iter("{*}*"):
            element.tag = element.tag.rpartition("}")[2]
        return root

    def related(self, part: str) -> dict[str, tuple[str, str]]:
        """Return kind and target part of each relationship of a part, by its id."""
        folder, name = posixpath.split(part)
        root = self.root(f"{folder}/_rels/{name}.rels")
        found: dict[str, tuple[str, str]] = {}
        for relation in root if root is not None else ():
            if relation.get("TargetMode") != "External":
                target = posixpath.normpath(posixpath.join(folder, relation.get("Target") or ""))
                found[relation.get("Id") or ""] = ((relation.get("Type") or "").rsplit("/", 1)[-1], target.lstrip("/"))
        return found


@contextmanager
def opened(content: bytes, limits: ParseLimits, main: str, kind: str) -> Iterator[Package]:
    """Yield the package of a file whose main part is `main`; `kind` is its name for messages.

    Raises:
        DocumentUnreadable: no such archive, damaged, encrypted, or larger than the limits when expanded.
    """
    from lxml import etree  # pyright: ignore[reportAttributeAccessIssue]  a compiled module without types

    check_archive(content, limits, main, kind)
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            yield Package(archive)
    except etree.XMLSyntaxError:
        raise DocumentUnreadable("malformed XML in it") from None


def relation(element: Any, name: str = "id") -> str:
    """Return the relationship that an element refers to."""
    return next((v for k, v in element.attrib.items() if k.endswith(f"}}{name}")), "")
