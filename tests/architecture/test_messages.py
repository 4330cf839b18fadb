# SPDX-License-Identifier: Apache-2.0
"""Each line of the log has an id and an explanation, and the checker that says so has been seen to fail."""

import messages
import pytest

HEAD = "| id | level | text | cause | what to do |\n|---|---|---|---|---|\n"


@pytest.fixture
def logging(tree):
    """A tree with two lines of the log and their document."""
    tree.write("adapters/apache/log.cpp", 'ap_log_error(APLOG_MARK, APLOG_ERR, 0, server, "SLC0401: no \\"%s\\" in %d", a, b);\n')
    tree.write("adapters/wsgi/log.cpp", 'host.log(LogLevel::kInfo,\n  absl::StrCat("SLC0101: script \'", name, "\' is "\n  "loaded"));\n')
    tree.write(
        "docs/messages.md",
        HEAD + "| SLC0101 | info | script '...' is loaded | A start. | Nothing. |\n"
        '| SLC0401 | error | no "..." in ... | A cause. | An action. |\n',
    )
    return tree


def check(tree):
    return messages.check(tree.texts())


def test_every_line_of_this_project_is_explained(project):
    assert messages.check(project) == []


def test_lines_that_are_explained_have_no_fault(logging):
    assert check(logging) == []


@pytest.mark.parametrize(
    ("code", "text"),
    [
        ('host.log(LogLevel::kInfo, absl::StrCat("SLC0101: script ", name, " was ", "lost"));', "script ... was lost"),
        ('return apr_pstrcat(request->pool, "SLC0101: script ", "lost: ", error, nullptr);', "script lost: ..."),
        ('stop(Stop::kEnd, "SLC0101: timeout exceeded", "the process ends");', "timeout exceeded ... the process ends"),
    ],
)
def test_the_text_is_that_of_the_line(tree, code, text):
    tree.write("adapters/wsgi/log.cpp", code + "\n")
    ((message,), _) = messages.collect(tree.texts())
    assert message.text == text


def test_lines_that_are_passed_on_need_no_id(logging):
    logging.write("adapters/apache/log.cpp", 'ap_log_error(APLOG_MARK, level, 0, server, "%.*s", size, data);\nlog(level, line);\n')
    assert check(logging) == []


def test_a_text_may_be_made_before_the_call(logging):
    logging.write("adapters/apache/zone.cpp", 'why = "SLC0402: no group " + name + " here";\nreturn refuse(request, 500, why);\n')
    assert check(logging) == ["docs/messages.md: SLC0402 is missing"]
    logging.write("docs/messages.md", "| SLC0402 | error | no group ... here | A cause. | An action. |\n")
    assert check(logging) == []


@pytest.mark.parametrize(
    ("call", "complaint"),
    [
        ('host.log(LogLevel::kError, "no thread");', "a line is logged without an id: no thread"),
        ('log_(LogLevel::kError, StrCat(what, " SLC0107: no"));', "a line is logged without an id:  SLC0107: no"),
        ('host.log(LogLevel::kError, "SLC0101: no thread");', "SLC0101 is logged by another call, too"),
    ],
)
def test_a_call_has_an_id_of_its_own(logging, call, complaint):
    logging.write("adapters/wsgi/zone.cpp", call + "\n")
    assert f"adapters/wsgi/zone.cpp:1: {complaint}" in check(logging)


@pytest.mark.parametrize("conversion", ["%llu", "%zu", "%-5lld", "%jd"])
def test_a_format_has_no_conversion_that_apr_does_not_know(logging, conversion):
    logging.write("adapters/apache/zone.cpp", f'apr_psprintf(pool,\n  "%s" " {conversion}", a, b);\n')
    assert check(logging) == [
        f"adapters/apache/zone.cpp:1: APR has no conversion {conversion}, and takes the next value for it"
    ]


def test_the_document_has_each_line_as_it_is_logged(logging):
    logging.write("adapters/wsgi/zone.cpp", 'host.log(LogLevel::kError, "SLC0102: no thread");\n')
    assert check(logging) == ["docs/messages.md: SLC0102 is missing"]
    logging.write("docs/messages.md", "| SLC0102 | info | no thread | |  |\n| SLC0103 | info | gone | A | B |\n")
    assert check(logging) == [
        "docs/messages.md: SLC0102 is not as in the source",
        "docs/messages.md: SLC0102 lacks a cause or what to do",
        "docs/messages.md: SLC0103 is logged nowhere",
    ]


def test_a_line_has_its_level_in_the_statement_that_makes_its_text(logging):
    logging.write("adapters/wsgi/zone.cpp", 'const std::string line = absl::StrCat("SLC0102: no thread");\nlog(level, line);\n')
    logging.write("docs/messages.md", HEAD + "| SLC0102 |  | no thread | A cause. | An action. |\n")
    assert "docs/messages.md: SLC0102 is made in a statement without a level" in check(logging)


def test_a_new_line_gets_its_row_and_the_others_keep_their_explanations(logging):
    logging.write("adapters/wsgi/zone.cpp", 'host.log(LogLevel::kError, "SLC0102: no thread");\n')
    rows = messages.rewritten(logging.texts()).splitlines()[2:]
    assert rows == [
        "| SLC0101 | info | script '...' is loaded | A start. | Nothing. |",
        "| SLC0102 | error | no thread |  |  |",
        '| SLC0401 | error | no "..." in ... | A cause. | An action. |',
    ]
