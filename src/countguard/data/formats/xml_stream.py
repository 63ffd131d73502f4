"""XML label files, element by element, without entities: nothing in them can grow or lead to another file."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import NoReturn
from xml.parsers import expat

from countguard.errors import InputError
from countguard.reading import open_file, require_inside

MAX_XML_BYTES = 1 << 29
_CHUNK = 1 << 20
_DEPTH = 50


def parse_xml(
    path: Path,
    root: Path,
    start: Callable[[str, Mapping[str, str]], None],
    end: Callable[[str, str], None] | None = None,
) -> None:
    """Reads an XML file and calls back.

    Args:
        path: of the file.
        root: the data set's folder; a link that leaves it is refused.
        start: hears the name and the attributes of each element that begins.
        end: hears the name and the text of each element that ends.

    Raises:
        InputError: no XML, with a document type or entities, nested too deep or too large; or what the callbacks raise.
    """
    require_inside(path, root.resolve())
    parser = expat.ParserCreate()
    depth = 0
    text: list[str] = []

    def begin(name: str, attributes: dict[str, str]) -> None:
        nonlocal depth
        depth += 1
        if depth > _DEPTH:
            raise InputError(f"{path}: is nested too deep")
        text.clear()
        start(name, attributes)

    def finish(name: str) -> None:
        nonlocal depth
        depth -= 1
        if end is not None:
            end(name, "".join(text).strip())
        text.clear()

    def refuse(*_: object) -> NoReturn:
        raise InputError(f"{path}: declares a document type; label files need none")

    def hear(part: str) -> None:
        if len(text) < 1000:
            text.append(part)

    parser.StartElementHandler, parser.EndElementHandler, parser.CharacterDataHandler = begin, finish, hear
    parser.StartDoctypeDeclHandler = refuse
    parser.EntityDeclHandler = refuse
    with open_file(path, MAX_XML_BYTES) as file:
        try:
            while chunk := file.read(_CHUNK):
                parser.Parse(chunk)
            parser.Parse(b"", True)
        except expat.ExpatError as error:
            raise InputError(f"{path}: is not XML ({error})") from None
