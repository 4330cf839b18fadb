#!/usr/bin/env python3
"""prepare_xml.py FOLDER: makes the XML of Doxygen such as Breathe can show it.

Members of a group get the names that they have outside of it, with their namespace. A function that is defined below its class
stands in the group as well as in the class, and leaves the group. Initializers that the parser of Sphinx does not know, those
with designators, go.
"""

import sys
import xml.etree.ElementTree as ElementTree
from pathlib import Path


def main() -> None:
    folder = Path(sys.argv[1])
    classes = {
        element.findtext("name")
        for element in ElementTree.parse(folder / "index.xml").iter("compound")
        if element.get("kind") in ("class", "struct")
    }
    for path in folder.glob("*.xml"):
        document = ElementTree.parse(path)
        for section in document.iter("sectiondef"):
            for member in list(section.findall("memberdef")):
                if path.name.startswith("group__") and not qualify(member, classes):
                    section.remove(member)
                drop_designators(member)
        document.write(path, encoding="utf-8", xml_declaration=True)


def qualify(member: ElementTree.Element, classes: set[str | None]) -> bool:
    """Gives a member its whole name; false if it is one of a class."""
    name, qualified = member.find("name"), member.findtext("qualifiedname")
    if name is not None and qualified:
        name.text = qualified
    return (qualified or "").rpartition("::")[0] not in classes


def drop_designators(member: ElementTree.Element) -> None:
    initializer = member.find("initializer")
    if initializer is not None and (initializer.text or "").lstrip("= ").startswith("{."):
        member.remove(initializer)


main()
