#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The lines that Sluice logs: each has an id of its own, and docs/messages.md tells its cause and what to do.

The text of a line is made of string literals, the first of which begins with the id: "SLC0123: ...". A call that logs has
such a literal, or passes on a line that was made elsewhere or that is an application's. `messages.py --write` brings the
ids, levels and texts of the document up to date with the sources, and leaves the causes and actions to be written by hand.
"""

import re
import sys
from dataclasses import dataclass
from pathlib import Path

import tree

LOGGING = {"adapters", "bindings"}
CALL = re.compile(r"\b(?:ap_log_[a-z]*error|log_?|log_for_request)\(")
LITERAL = re.compile(r'"((?:[^"\\]|\\.)*)"')
PASSED_ON = re.compile(r"%\.\*s|%s")
FORMATTED_BY_APR = re.compile(r"\b(?:ap_log_\w+|apr_\w*printf)\(")
UNKNOWN_TO_APR = re.compile(r"%[-+ #0-9.*]*(?:ll|z|j|t)[diouxX]")
ID = re.compile(r"SLC\d{4}(?=: )")
FIRST_LITERAL = re.compile(r'"(SLC\d{4}): ')
LEVEL = re.compile(r"APLOG_(EMERG|ALERT|CRIT|ERR|WARNING|NOTICE|INFO|DEBUG)\b|LogLevel::k(\w+)")
LEVEL_NAMES = {"err": "error", "warning": "warn"}
ROW = re.compile(r"^\| (SLC\d{4}) \| (.*?) \| (.*?) \|(.*?)\|(.*?)\|$", re.MULTILINE)
DOCUMENT = Path("docs/messages.md")


@dataclass(frozen=True)
class Message:
    """A line of the log as the source has it; `...` stands for what is only known at run time."""

    id: str
    level: str
    text: str


def check(texts):
    """One line for each call without an id, each id of two calls, and each difference from the document."""
    messages, complaints = collect(texts)
    rows = {row[0]: row for row in ROW.findall(texts.get(DOCUMENT, ""))}
    for message in messages:
        if message.id not in rows:
            complaints.append(f"{DOCUMENT}: {message.id} is missing")
            continue
        if not message.level:
            complaints.append(f"{DOCUMENT}: {message.id} is made in a statement without a level")
        _, level, text, cause, action = rows[message.id]
        if (level, text) != (message.level, _cell(message.text)):
            complaints.append(f"{DOCUMENT}: {message.id} is not as in the source")
        if not cause.strip() or not action.strip():
            complaints.append(f"{DOCUMENT}: {message.id} lacks a cause or what to do")
    gone = rows.keys() - {message.id for message in messages}
    return complaints + [f"{DOCUMENT}: {id} is logged nowhere" for id in sorted(gone)]


def rewritten(texts):
    """The document with the rows of the sources, by id; causes and actions are kept."""
    document = texts[DOCUMENT]
    kept = {row[0]: [cell.strip() for cell in row[3:]] for row in ROW.findall(document)}
    rows = [
        f"| {message.id} | {message.level} | {_cell(message.text)} | {cause} | {action} |"
        for message in sorted(collect(texts)[0], key=lambda message: message.id)
        for cause, action in [kept.get(message.id, ("", ""))]
    ]
    table = re.compile(r"(^\|[-| ]+\|\n)((?:\|[^\n]*\|\n?)*)", re.MULTILINE)
    return table.sub(lambda match: match.group(1) + "\n".join(rows) + "\n", document, count=1)


def collect(texts):
    """The messages of a tree, and one line for each call that logs a text without an id or with another one's."""
    messages, complaints = {}, []
    for path, text in texts.items():
        if path.suffix not in tree.CXX or path.parts[0] not in LOGGING:
            continue
        code = re.sub(r'//[^\n"]*$', lambda comment: " " * len(comment.group()), text, flags=re.MULTILINE)
        for match in CALL.finditer(code):
            literal = LITERAL.search(_rest_of_arguments(code, match.end()))
            if literal and not PASSED_ON.fullmatch(literal.group(1)) and not ID.match(literal.group(1)):
                complaints.append(f"{_place(path, code, match)}: a line is logged without an id: {literal.group(1)}")
        for match in FORMATTED_BY_APR.finditer(code):
            for conversion in UNKNOWN_TO_APR.findall(_rest_of_arguments(code, match.end())):
                complaints.append(f"{_place(path, code, match)}: APR has no conversion {conversion}, and takes the next value for it")
        for match in FIRST_LITERAL.finditer(code):
            if match.group(1) in messages:
                complaints.append(f"{_place(path, code, match)}: {match.group(1)} is logged by another call, too")
            messages.setdefault(match.group(1), Message(match.group(1), _level(code, match), _text(code, match)))
    return list(messages.values()), complaints


def _place(path, code, match):
    return f"{path}:{code.count(chr(10), 0, match.start()) + 1}"


def _rest_of_arguments(code, at):
    """The code from a place between parentheses to the parenthesis that closes, or to the end of the statement."""
    depth, begin, quoted = 0, at, False
    while at < len(code):
        character = code[at]
        if character == "\\" and quoted:
            at += 1
        elif character == '"':
            quoted = not quoted
        elif not quoted:
            depth += {"(": 1, ")": -1}.get(character, 0)
            if depth < 0 or character == ";":
                break
        at += 1
    return code[begin:at]


def _level(code, match):
    """The level that stands before the text in its statement, empty if none does; a request is refused with an error."""
    statement = re.split(r"[;{}]\s", code[: match.start()])[-1]
    if re.search(r"\brefuse\(", statement) or re.match(r"[^;]*;\s*return refuse\(", code[match.start() :]):
        return "error"
    levels = LEVEL.findall(statement)
    name = "".join(levels[-1]).lower() if levels else ""
    return LEVEL_NAMES.get(name, name)


def _text(code, match):
    """The literals of a line, joined where they adjoin, with `...` for values; the id is left out. Arguments of a function
    that joins its arguments adjoin, too; between others, such as a reason and its consequence, the line has more."""
    arguments = _rest_of_arguments(code, match.start())
    formatted = re.search(r"\bap_log_\w+\((?:[^;\"]|\n)*$", code[: match.start()][-400:]) and "%" in arguments
    concatenated = re.search(r"\b(?:StrCat|apr_pstrcat)\([^()]*$", code[: match.start()][-400:])
    parts, at = [], 0
    for literal in LITERAL.finditer(arguments):
        between = arguments[at : literal.start()].strip()
        if between and formatted:
            break
        if between and not (between == "," and concatenated):
            parts.append(" ... " if between == "," else "...")
        parts.append(literal.group(1))
        at = literal.end()
    if not formatted and re.match(r"\s*[,+]\s*(?!nullptr)\S", arguments[at:]):
        parts.append("...")
    text = "".join(parts).split(": ", 1)[1]
    return re.sub(r"%(?:\.\*s|l?[sdu])", "...", text).replace('\\"', '"').replace("......", "...")


def _cell(text):
    return text.replace("|", "\\|")


if __name__ == "__main__":
    root = Path(__file__).resolve().parents[2]
    if sys.argv[1:] == ["--write"]:
        (root / DOCUMENT).write_text(rewritten(tree.read(root)), encoding="utf-8")
    for complaint in check(tree.read(root)):
        print(complaint)
