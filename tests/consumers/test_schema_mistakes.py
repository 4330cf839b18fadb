# SPDX-License-Identifier: Apache-2.0
"""A mistake in a schema is an error of the compiler with a sentence that says what is wrong."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest

INCLUDE = Path(__file__).parents[2] / "core/include"
COMPILERS = [compiler for compiler in ("g++", "clang++") if shutil.which(compiler)]

# Compiled once for each compiler.
HEADERS = """
#include <sluice/counts.hpp>
#include <sluice/detail/schema_layout.hpp>
#include <sluice/fine_buckets.hpp>
#include <sluice/recorder.hpp>
#include <sluice/series_set.hpp>
#include <string>
"""
# `{fields}` is the table. Nothing of a recorder is made: the table is wrong in itself.
TABLE = """
enum class Kind {{ kRead, kWrite }};
constexpr int name_of(Kind) {{ return 0; }}
constexpr const char* text_of(Kind) {{ return ""; }}
struct Other {{ std::uint64_t bytes = 0; }};
struct Call {{
  int code = 0;
  Kind kind = Kind::kRead;
  double share = 0;
  std::uint64_t bytes = 0;
  std::uint64_t duration_ns = sluice::kSinceBegin;
  std::uint32_t short_ns = static_cast<std::uint32_t>(sluice::kSinceBegin);
  sluice::Observations waits = {{}};
}};
using namespace sluice;
inline constexpr std::array<std::uint64_t, 0> kNone{{}};
inline constexpr std::array<std::uint64_t, 2> kFalling{{2, 1}};
inline constexpr std::array<std::uint64_t, 2> kHuge{{1, std::uint64_t{{1}} << 50U}};
inline constexpr std::array<std::uint64_t, 1> kOne{{1}};
inline constexpr std::array<std::uint64_t, 1> kTwo{{2}};
inline constexpr auto kMany = [] {{
  std::array<std::uint64_t, 256> bounds{{}};
  for (std::size_t i = 0; i < bounds.size(); ++i) bounds[i] = i + 1;
  return bounds;
}}();
{before}
template <>
inline constexpr auto sluice::schema<Call> = {fields};
inline constexpr std::size_t kSums = schema_info<Call>.sums;
{after}
"""
BYTES = 'counter("sent", Unit::kBytes, &Call::bytes)'
RIGHT = f"fields({BYTES})"
# Names that begin alike, and that no format confuses.
BEGIN_ALIKE = [
    f'fields({BYTES}, counter("sent.messages", Unit::kNone, &Call::bytes))',
    f'fields({BYTES}, counter("sent_seconds", Unit::kNone, &Call::bytes))',
    f'fields({BYTES}, maximum("sent.count", Unit::kBytes, &Call::bytes))',
    f'fields({BYTES}.label("to", "a"), {BYTES}.label("to", "b"), counter("sent.c", Unit::kBytes, &Call::bytes))',
    # Counted as requests with a label, and not under a name of their own.
    'fields(classes<2>("cache", &Call::code).names("hits", "misses"), counter("cache.hits", Unit::kNone, &Call::bytes))',
]
MISTAKES = {
    # Members.
    "the member of a counter is an unsigned integer or sluice::Observations": [
        'fields(counter("sent", Unit::kBytes, &Call::code))',
        'fields(counter("sent", Unit::kBytes, &Call::share))',
    ],
    "the member of a histogram is an unsigned integer or sluice::Observations": [
        'fields(histogram("sent", Unit::kBytes, &Call::code, buckets::kFine))'
    ],
    "the member of a maximum is an unsigned integer": [
        f'fields({BYTES}, maximum("most", Unit::kNone, &Call::waits))',
        f'fields({BYTES}, maximum("most", Unit::kNone, &Call::code))',
    ],
    "the member of classes is an integer; for other types, give a function: classes<17, index_of>": [
        'fields(classes<2>("kind", &Call::kind))'
    ],
    "the function of classes takes the member and returns the index of a class": [
        'fields(classes<2, text_of>("kind", &Call::kind))',
        'fields(classes<2, name_of>("bytes", &Call::bytes))',
    ],
    "the members of a schema are those of its struct": ['fields(counter("sent", Unit::kBytes, &Other::bytes))'],
    "a member whose default is kSinceBegin must be a std::uint64_t": [
        'fields(counter("time", Unit::kNanoseconds, &Call::short_ns))'
    ],
    # Buckets.
    "the buckets of a histogram are kFine or another constant of sluice::buckets, or bounded_by<kBounds>": [
        'fields(histogram("sent", Unit::kBytes, &Call::bytes, kOne))',
        'fields(histogram("time", Unit::kNanoseconds, kElapsed, kOne))',
    ],
    "a histogram needs at least one bound": ['fields(histogram("sent", Unit::kBytes, &Call::bytes, bounded_by<kNone>))'],
    "a histogram has at most 255 bounds": ['fields(histogram("sent", Unit::kBytes, &Call::bytes, bounded_by<kMany>))'],
    "the bounds of a histogram must ascend, and the first must be above 0": [
        'fields(histogram("sent", Unit::kBytes, &Call::bytes, bounded_by<kFalling>))'
    ],
    "the bounds of a histogram must be below 2^48": [
        'fields(histogram("sent", Unit::kBytes, &Call::bytes, bounded_by<kHuge>))'
    ],
    "the bounds of a view must be some of those of its layout": [
        'fields(histogram("sent", Unit::kBytes, &Call::bytes, Buckets<kOne, Views<kTwo>>()))'
    ],
    # Properties of a field.
    "a field of classes has from 2 to 255 classes": [
        'fields(classes<1>("code", &Call::code))',
        'fields(classes<256, name_of>("kind", &Call::kind))',
    ],
    "a field of classes needs one name for each class": ['fields(classes<3>("code", &Call::code).names("a", "b"))'],
    "each class of a field needs a name that no other class of the field has": [
        'fields(classes<3>("code", &Call::code).names("a", "b", "a"))',
        'fields(classes<3>("code", &Call::code).names("a", "b", ""))',
        r'fields(classes<2>("code", &Call::code).names("a/b", "a\\b"))',
        r'fields(classes<2>("code", &Call::code).names("a b", "a\tb"))',
    ],
    "only counters and maxima can be kept by slot": ['fields(classes<3>("code", &Call::code).by_slot())'],
    "only histograms have bounds": [f"fields({BYTES}.otel_bounds())"],
    "a mode is a number from 0 to 7": [f"fields({BYTES}.only_in(8))"],
    # Names.
    "two fields of a schema have the same name": [
        f"fields({BYTES}, {BYTES})",
        'fields(counter("a.b", Unit::kNone, &Call::bytes), counter("a_b", Unit::kNone, &Call::bytes))',
        rf'fields({BYTES}.label("to", "a/b"), {BYTES}.label("to", "a\\b"))',
    ],
    "two fields of one name need the same kind and unit, and a label of one name": [
        f'fields({BYTES}.label("to", "a"), counter("sent", Unit::kNone, &Call::bytes).label("to", "b"))'
    ],
    "a field has the name of a family or member that encoders write for every schema": [
        'fields(counter("requests", Unit::kNone, &Call::bytes))',
        'fields(counter("untracked_requests", Unit::kNone, &Call::bytes))',
        'fields(counter("busy_seconds", Unit::kNone, &Call::bytes))',
        f'fields({BYTES}, maximum("mode", Unit::kNone, &Call::bytes))',
        'fields(counter("process.list", Unit::kNone, &Call::bytes))',
        'fields(counter("process.memory", Unit::kBytes, &Call::bytes))',
        f'fields({BYTES}, maximum("requests.total", Unit::kNone, &Call::bytes))',
        'fields(classes<5>("code", &Call::code), counter("requests.4", Unit::kNone, &Call::bytes))',
    ],
    "a format writes two fields of a schema under one name, with a unit, a suffix or the value of a label": [
        f'fields({BYTES}, counter("sent_bytes", Unit::kNone, &Call::bytes))',
        f'fields({BYTES}, maximum("sent.bytes.total", Unit::kNone, &Call::bytes))',
        f'fields({BYTES}, counter("sent_bytes_total", Unit::kNone, &Call::bytes))',
        'fields(counter("sent_count", Unit::kBytes, &Call::bytes),'
        ' histogram("sent", Unit::kBytes, &Call::bytes, buckets::kFine),'
        ' counter("sent_bytes_count", Unit::kNone, &Call::bytes))',
        'fields(counter("time", Unit::kNanoseconds, &Call::duration_ns), counter("time_ms", Unit::kBytes, &Call::bytes))',
        f'fields({BYTES}.label("to", "a"), counter("sent.a", Unit::kBytes, &Call::bytes))',
        'fields(classes<3>("code", &Call::code), classes<2>("kind", &Call::code).names("a", "b"),'
        ' counter("kind.a", Unit::kNone, &Call::bytes))',
    ],
    "a label, or a field of classes, has the name of a label that encoders or formats use": [
        'fields(classes<2>("thread", &Call::code))',
        f'fields({BYTES}.label("le", "a"))',
        f'fields({BYTES}.label("__name__", "a"))',
    ],
    "names of fields have lower-case letters, digits, underscores and dots alone": [
        'fields(counter("Sent", Unit::kBytes, &Call::bytes))',
        'fields(counter("", Unit::kBytes, &Call::bytes))',
    ],
    # The whole.
    "a schema is made of what counter(), histogram(), classes() and maximum() return": ["fields(&Call::bytes)"],
    "a schema has from 1 to 64 fields": ["fields()"],
    "a schema has at most 8 modes": [f'{RIGHT}.modes("a", "b", "c", "d", "e", "f", "g", "h", "i")'],
    "a schema needs a field that is no maximum": ['fields(maximum("most", Unit::kBytes, &Call::bytes))'],
    "a schema has at most 4096 words of counts": [
        "fields("
        + ", ".join(f'classes<255>("code{i}", &Call::code)' for i in range(17))
        + ")"
    ],
}
# Mistakes in the use of a right schema, and in the struct: the definitions before the table, and the code after it.
USES = {
    "specialise sluice::schema<T> for the struct that the recorder records": (
        "",
        "struct Unknown {}; inline constexpr std::size_t kUnknown = schema_info<Unknown>.sums;",
    ),
    "the struct that a recorder records must be trivially copyable": (
        "struct Named { std::string name; std::uint64_t bytes = 0; };"
        'template <> inline constexpr auto sluice::schema<Named> = fields(counter("sent", Unit::kBytes, &Named::bytes));',
        "inline constexpr std::size_t kNamed = schema_info<Named>.sums;",
    ),
    "the struct that a recorder records needs a default constructor": (
        "struct Made { constexpr explicit Made(int) {} std::uint64_t bytes = 0; };"
        'template <> inline constexpr auto sluice::schema<Made> = fields(counter("sent", Unit::kBytes, &Made::bytes));',
        "inline constexpr std::size_t kMade = schema_info<Made>.sums;",
    ),
    "the schema has no field of this member": (
        "",
        "auto value_of(const CountsRef& counts) { return counts.get<&Call::code>(); }",
    ),
    "series of several processes need a field of classes or a histogram in each mode of the schema": (
        "",
        "inline SeriesSet<Call> set(4);",
    ),
    "a duration is in nanoseconds or microseconds": (
        "struct Timed {};\n"
        'template <> inline constexpr auto sluice::schema<Timed> = fields(histogram("time", Unit::kBytes, kElapsed, buckets::kFine));',
        "void record(Worker<Timed>& worker) { worker.begin().finish({}); }",
    ),
    "a member can be converted from nanoseconds to microseconds only": (
        "struct Sized { std::uint64_t bytes = 0; };\n"
        'template <> inline constexpr auto sluice::schema<Sized> = '
        'fields(counter("sent", Unit::kBytes, &Sized::bytes).measured_in(Unit::kNanoseconds));',
        "void record(Worker<Sized>& worker) { worker.begin().finish({}); }",
    ),
}


class Checker:
    """A compiler that has read the headers."""

    def __init__(self, compiler: str, folder: Path) -> None:
        header = folder / "headers.hpp"
        header.write_text(HEADERS, encoding="utf-8")
        self._source = folder / "mistake.cpp"
        self._command = [compiler, "-std=c++20", f"-I{INCLUDE}"]
        # g++ finds what it made of a header by the name of the header.
        read = folder / ("headers.pch" if compiler == "clang++" else "headers.hpp.gch")
        subprocess.run([*self._command, "-x", "c++-header", header, "-o", read], check=True)
        self._command += ["-include-pch", str(read)] if compiler == "clang++" else ["-include", str(header)]

    def tells(self, sentence: str, fields: str = RIGHT, before: str = "", after: str = "") -> bool:
        """Whether the compiler says the sentence. What it does afterwards is not waited for, because clang 19 often does not end
        then."""
        with self._start(fields, before, after) as process:
            try:
                return any(sentence in line for line in process.stderr)
            finally:
                process.kill()

    def accepts(self, fields: str = RIGHT) -> bool:
        with self._start(fields) as process:
            return process.communicate()[1] == "" and process.returncode == 0

    def _start(self, fields: str, before: str = "", after: str = "") -> subprocess.Popen[str]:
        self._source.write_text(TABLE.format(fields=fields, before=before, after=after), encoding="utf-8")
        return subprocess.Popen([*self._command, "-fsyntax-only", self._source], stderr=subprocess.PIPE, text=True)


@pytest.fixture(scope="module", params=COMPILERS)
def checker(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Checker:
    return Checker(request.param, tmp_path_factory.mktemp(request.param))


def test_a_right_schema_is_accepted(checker: Checker) -> None:
    assert checker.accepts()


@pytest.mark.parametrize("fields", BEGIN_ALIKE)
def test_names_that_begin_alike_are_accepted(checker: Checker, fields: str) -> None:
    assert checker.accepts(fields)


def test_as_many_classes_as_there_may_be_have_names(checker: Checker) -> None:
    names = ", ".join(f'"class {i:03}"' for i in range(255))
    fields = ", ".join(f'classes<255>("code{i}", &Call::code).names({names})' for i in range(4))
    assert checker.accepts(f"fields({fields})")


@pytest.mark.parametrize(("sentence", "fields"), [(sentence, one) for sentence, all_of in MISTAKES.items() for one in all_of])
def test_a_mistake_in_a_schema_is_told(checker: Checker, sentence: str, fields: str) -> None:
    assert checker.tells(sentence, fields)


@pytest.mark.parametrize("sentence", USES)
def test_a_mistake_in_the_use_of_a_schema_is_told(checker: Checker, sentence: str) -> None:
    before, after = USES[sentence]
    assert checker.tells(sentence, before=before, after=after)


def test_every_sentence_of_the_headers_has_a_mistake_here() -> None:
    sentences = set()
    for path in INCLUDE.rglob("*.hpp"):
        for assertion in re.findall(r"static_assert\((.*?)\);", path.read_text(encoding="utf-8"), re.DOTALL):
            text = re.search(r',\s*((?:"[^"]*"\s*)+)$', assertion)
            if text:
                sentences.add("".join(re.findall(r'"([^"]*)"', text[1])))
    assert sentences == {*MISTAKES, *USES}
