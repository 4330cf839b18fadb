// SPDX-License-Identifier: Apache-2.0
// Where the words of a schema lie, and what tells schemas apart.
#include "sluice/detail/schema_layout.hpp"

#include <algorithm>
#include <array>
#include <set>
#include <vector>

#include "adapters/wsgi/schema/completion.hpp"
#include "sluice/http.hpp"
#include "sluice/recorder.hpp"
#include "tests/catch.hpp"

namespace sluice {
namespace {

constexpr std::array<std::uint64_t, 3> kThree{10, 20, 30};
constexpr std::array<std::uint64_t, 3> kOther{10, 20, 31};

/// The same request by schemas that differ in one thing.
template <int kSchema>
struct Call {
  int code = 0;
  std::uint64_t bytes = 0;
  std::uint64_t duration_ns = kSinceBegin;
};

}  // namespace

template <>
inline constexpr auto schema<Call<0>> = fields(classes<3>("code", &Call<0>::code),
                                               counter("sent", Unit::kBytes, &Call<0>::bytes),
                                               histogram("duration", Unit::kNanoseconds, &Call<0>::duration_ns,
                                                         bounded_by<kThree>));
template <>
inline constexpr auto schema<Call<1>> = fields(classes<3>("code", &Call<1>::code),
                                               counter("sent", Unit::kBytes, &Call<1>::bytes),
                                               histogram("duration", Unit::kNanoseconds, &Call<1>::duration_ns,
                                                         bounded_by<kOther>));
template <>
inline constexpr auto schema<Call<2>> = fields(classes<3>("code", &Call<2>::code),
                                               counter("sent", Unit::kNone, &Call<2>::bytes),
                                               histogram("duration", Unit::kNanoseconds, &Call<2>::duration_ns,
                                                         bounded_by<kThree>));
template <>
inline constexpr auto schema<Call<3>> = fields(classes<4>("code", &Call<3>::code),
                                               counter("sent", Unit::kBytes, &Call<3>::bytes),
                                               histogram("duration", Unit::kNanoseconds, &Call<3>::duration_ns,
                                                         bounded_by<kThree>));
template <>
inline constexpr auto schema<Call<4>> = fields(classes<3>("code", &Call<4>::code),
                                               counter("received", Unit::kBytes, &Call<4>::bytes),
                                               histogram("duration", Unit::kNanoseconds, &Call<4>::duration_ns,
                                                         bounded_by<kThree>));
template <>
inline constexpr auto schema<Call<5>> = fields(classes<3>("code", &Call<5>::code),
                                               counter("sent", Unit::kBytes, &Call<5>::bytes).only_in(0),
                                               histogram("duration", Unit::kNanoseconds, &Call<5>::duration_ns,
                                                         bounded_by<kThree>));

namespace {

/// Counts the fields that have each word, in one mode.
void count_words(const SchemaInfo& info, std::uint8_t mode, std::vector<int>& sums, std::vector<int>& extremes) {
  const auto take = [](std::vector<int>& words, std::size_t from, std::size_t size) {
    for (std::size_t i = from; i < from + size; ++i) ++words.at(i);
  };
  for (const FieldInfo& field : info.fields) {
    if (!field.exists_in(mode)) continue;
    const bool histogram = field.kind == FieldKind::kHistogram;
    if (field.kind == FieldKind::kClasses) take(sums, field.sum, field.classes.size());
    if (field.kind == FieldKind::kCounter || histogram) take(sums, field.sum, 1);
    if (field.kind == FieldKind::kMaximum) take(extremes, field.extreme, 1);
    if (!histogram) continue;
    take(sums, field.buckets_at, field.buckets->size());
    take(extremes, field.extreme, 2);
  }
}

/// Returns true if each word of a mode has at most one field, and no word behind those of the mode has one.
bool words_are_own(const SchemaInfo& info, std::uint8_t mode) {
  std::vector<int> sums(info.sums);
  std::vector<int> extremes(info.extremes);
  count_words(info, mode, sums, extremes);
  const auto own = [](const std::vector<int>& words, std::size_t used) {
    return std::all_of(words.begin(), words.end(), [](int fields) { return fields <= 1; }) &&
           std::all_of(words.begin() + static_cast<std::ptrdiff_t>(used), words.end(),
                       [](int fields) { return fields == 0; });
  };
  return own(sums, info.sums_in[mode]) && own(extremes, info.extremes_in[mode]);
}

}  // namespace

TEST_CASE("schema layout: every field has words of its own, and a mode uses the first of them") {
  for (const auto mode : {std::uint8_t{0}, std::uint8_t{1}}) {
    CAPTURE(int{mode});
    CHECK(words_are_own(schema_info<wsgi::Completion>, mode));
    CHECK(words_are_own(schema_info<http::Request>, mode));
    CHECK(words_are_own(schema_info<Call<0>>, mode));
    CHECK(words_are_own(schema_info<Call<5>>, mode));
  }
}

TEST_CASE("schema layout: schemas that differ in what a word means have different hashes") {
  const std::set<std::uint64_t> hashes{schema_info<Call<0>>.hash,       schema_info<Call<1>>.hash,
                                       schema_info<Call<2>>.hash,       schema_info<Call<3>>.hash,
                                       schema_info<Call<4>>.hash,       schema_info<Call<5>>.hash,
                                       schema_info<http::Request>.hash, schema_info<wsgi::Completion>.hash};
  CHECK(hashes.size() == 8);
}

TEST_CASE("schema layout: a window of the overflow counters has extremes of its own") {
  Recorder<Call<0>> recorder({.threads = 1});
  Reader reader = recorder.add_reader();
  Worker<Call<0>> worker = recorder.attach_shared();
  for (const std::uint64_t duration_ns : {25U, 40U, 15U, 12U, 18U}) {
    worker.begin(1000).finish({.duration_ns = duration_ns}, 1000 + duration_ns);
    const Result<Window> window = reader.drain();
    REQUIRE(window.ok());
    const HistogramView duration = window->get<&Call<0>::duration_ns>();
    CHECK(duration.largest == duration_ns);
    CHECK(duration.smallest == duration_ns);
  }
}

}  // namespace sluice
