#!/usr/bin/env python3
"""The lines that Sluice logs: each has an id of its own, and docs/messages.md tells its cause and what to do.

A call that logs has as its text string literals, the first of which begins with the id: "SLC0123: ...". A call without a
literal passes on a line that was made elsewhere, or that is an application's. `messages.py --write` brings the ids, levels
and texts of the document up to date with the sources, and leaves the causes and actions to be written by hand.
"""

import re
import sys
from dataclasses import dataclass
from pathlib import Path

import tree

LOGGING = {"adapters", "bindings"}
CALL = re.compile(r"\b(?:ap_log_[a-z]*error|log_?|refuse)\(")
LITERAL = re.compile(r'"((?:[^"\\]|\\.)*)"')
PASSED_ON = re.compile(r"%\.\*s|%s")
ID = re.compile(r"SLC\d{4}(?=: )")
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
    messages, complaints = _collect(texts)
    rows = {row[0]: row for row in ROW.findall(texts.get(DOCUMENT, ""))}
    for message in messages:
        if message.id not in rows:
            complaints.append(f"{DOCUMENT}: {message.id} is missing")
            continue
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
        for message in sorted(_collect(texts)[0], key=lambda message: message.id)
        for cause, action in [kept.get(message.id, ("", ""))]
    ]
    table = re.compile(r"(^\|[-| ]+\|\n)((?:\|[^\n]*\|\n?)*)", re.MULTILINE)
    return table.sub(lambda found: found.group(1) + "\n".join(rows) + "\n", document, count=1)


def _collect(texts):
    """The messages of a tree, and one line for each call that logs a text without an id or with another one's."""
    messages, complaints = {}, []
    for path, text in texts.items():
        if path.suffix not in tree.CXX or path.parts[0] not in LOGGING:
            continue
        for line, call in _calls(text):
            literals = LITERAL.findall(call)
            if all(PASSED_ON.fullmatch(literal) for literal in literals):
                continue
            if not (found := ID.match(literals[0])):
                complaints.append(f"{path}:{line}: a line is logged without an id: {literals[0]}")
            elif found.group() in messages:
                complaints.append(f"{path}:{line}: {found.group()} is logged by another call, too")
            else:
                messages[found.group()] = Message(found.group(), _level(call), _text(call))
    return list(messages.values()), complaints


def _calls(text):
    """The calls that log, each with the number of its line and the text between its parentheses."""
    code = re.sub(r"//[^\n]*", lambda comment: " " * len(comment.group()) if '"' not in comment.group() else comment.group(), text)
    for found in CALL.finditer(code):
        depth, at, quoted = 1, found.end(), False
        while depth and at < len(code):
            character = code[at]
            if character == "\\" and quoted:
                at += 1
            elif character == '"':
                quoted = not quoted
            elif not quoted:
                depth += {"(": 1, ")": -1}.get(character, 0)
            at += 1
        yield text.count("\n", 0, found.start()) + 1, text[found.end() : at - 1]


def _level(call):
    found = LEVEL.search(call)
    if not found:
        return "by event"
    name = (found.group(1) or found.group(2)).lower()
    return LEVEL_NAMES.get(name, name)


def _text(call):
    """The literals of a call, joined where they adjoin, with `...` for values; the id is left out."""
    begin = call.index('"')
    end = call.rindex('"') + 1
    parts, at = [], begin
    for literal in LITERAL.finditer(call, begin):
        between = call[at : literal.start()].strip()
        if at != begin and between:
            parts.append("...")
        parts.append(literal.group(1))
        at = literal.end()
    rest = call[end:].strip()
    if "StrCat(" in call and re.match(r",\s*[\w:(]", rest):
        parts.append("...")
    text = "".join(parts).split(": ", 1)[1]
    return re.sub(r"%(?:\.\*s|l?l?[sdu]|zu)", "...", text).replace('\\"', '"')


def _cell(text):
    return text.replace("|", "\\|")


if __name__ == "__main__":
    root = Path(__file__).resolve().parents[2]
    if sys.argv[1:] == ["--write"]:
        (root / DOCUMENT).write_text(rewritten(tree.read(root)), encoding="utf-8")
    for complaint in check(tree.read(root)):
        print(complaint)
