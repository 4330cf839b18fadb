// SPDX-License-Identifier: Apache-2.0
// Compiles and runs the code that docs/errors.md shows.
#include <array>
#include <cstddef>
#include <memory>
#include <optional>
#include <span>
#include <stdexcept>

#include "sluice/http.hpp"
#include "sluice/registry.hpp"
#include "sluice/series_set.hpp"
#include "tests/catch.hpp"

namespace {

using Call = sluice::http::Request;

/// Requests without a duration.
struct Other {
  int code = 0;
};

/// Sets up a registry as the page does. Returns the number of warnings, or -1 if it gave up.
int set_up(sluice::Registry::State* state) {
  int warnings = 0;
  const auto warn = [&warnings](const absl::Status&) { ++warnings; };
  const auto give_up = [](const absl::Status&) { return -1; };
  sluice::Registry registry = sluice::Registry::of<Call>(*state);
  if (absl::Status status = registry.open(std::size_t{1} << 26); !status.ok()) return give_up(status);
  const auto group = registry.group("web", 0);
  if (!group.ok()) return give_up(group.status());
  if (absl::Status status = registry.pre_allocate({{{.group = group->id}, 4, 2}}); !status.ok()) warn(status);
  const auto slot = registry.reserve({.group = group->id}, 4);
  if (!slot.ok()) warn(slot.status());
  return warnings;
}

/// Returns the status of a response with the counts of all processes.
int status_of_scrape(const sluice::Registry& registry) {
  const auto answer = [](int status) { return status; };
  const absl::StatusOr<sluice::ServerReading> reading = registry.read();
  if (absl::IsUnavailable(reading.status())) return answer(503);
  if (!reading.ok()) return answer(500);
  return answer(200);
}

}  // namespace

template <>
inline constexpr auto sluice::schema<Other> = sluice::fields(sluice::classes<2>("code", &Other::code));

TEST_CASE("errors: a registry that can be opened gives no warnings, and one that is closed cannot be read") {
  const auto state = std::make_unique<sluice::Registry::State>();
  CHECK(status_of_scrape(sluice::Registry::of<Call>(*state)) == 500);
  CHECK(sluice::Registry::of<Call>(*state).group("web", 0).status().code() == absl::StatusCode::kFailedPrecondition);
  CHECK(sluice::Registry::of<Call>(*state).reserve({}, 1).status().code() == absl::StatusCode::kFailedPrecondition);
  CHECK(sluice::Registry::of<Call>(*state).pre_allocate({}).code() == absl::StatusCode::kFailedPrecondition);
  CHECK(set_up(state.get()) == 0);
  CHECK(status_of_scrape(sluice::Registry::of<Call>(*state)) == 200);
  static_cast<void>(sluice::Registry::of<Call>(*state).isolate_to(std::nullopt));
  CHECK(status_of_scrape(sluice::Registry::of<Call>(*state)) == 500);
}

TEST_CASE("errors: a region that exceeds what the registry may use is refused, and its process is unlisted") {
  const auto state = std::make_unique<sluice::Registry::State>();
  sluice::Registry registry = sluice::Registry::of<Call>(*state);
  REQUIRE(registry.open(4096).ok());
  const auto group = registry.group("web", 0);
  REQUIRE(group.ok());
  CHECK(registry.pre_allocate({{{.group = group->id}, 4, 2}}).code() == absl::StatusCode::kResourceExhausted);
  const auto slot = registry.reserve({.group = group->id}, 4);
  REQUIRE(slot.ok());
  CHECK(registry.memory_of(*slot).empty());
  static_cast<void>(registry.isolate_to(std::nullopt));
}

TEST_CASE("errors: the constructor of a recorder refuses what the page lists") {
  using sluice::RecorderOptions;
  const sluice::SeriesSet<Other> of_others(4);
  alignas(4096) static std::array<std::byte, 4096> memory{};
  const std::span<std::byte> uneven = std::span(memory).first(100);
  for (const RecorderOptions& options :
       {RecorderOptions{.threads = 0}, RecorderOptions{.mode = 8}, RecorderOptions{.memory = memory},
        RecorderOptions{.memory = uneven}, RecorderOptions{.series = RecorderOptions::kSeriesMost + 1},
        RecorderOptions{.series_set = &of_others}, RecorderOptions{.event_loops = true, .exemplars_from_ns = 1}}) {
    CHECK_THROWS_AS(sluice::http::Recorder(options), std::invalid_argument);
  }
  CHECK_THROWS_AS(sluice::Recorder<Other>({.exemplars_from_ns = 1}), std::invalid_argument);
}
