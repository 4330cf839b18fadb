#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""prepare_xml.py FOLDER: makes the XML of Doxygen such as Breathe can show it.

Members of a group get the names that they have outside of it, with their namespace. Initializers that the parser of Sphinx does
not know, those with designators, go.
"""

import sys
import xml.etree.ElementTree as ElementTree
from pathlib import Path


def main() -> None:
    folder = Path(sys.argv[1])
    for path in folder.glob("*.xml"):
        document = ElementTree.parse(path)
        for member in document.iter("memberdef"):
            if path.name.startswith("group__"):
                qualify(member)
            drop_designators(member)
        document.write(path, encoding="utf-8", xml_declaration=True)


def qualify(member: ElementTree.Element) -> None:
    name, qualified = member.find("name"), member.findtext("qualifiedname")
    if name is not None and qualified:
        name.text = qualified


def drop_designators(member: ElementTree.Element) -> None:
    initializer = member.find("initializer")
    if initializer is not None and (initializer.text or "").lstrip("= ").startswith("{."):
        member.remove(initializer)


main()
