// SPDX-License-Identifier: Apache-2.0
// Groups that a registry does not have, and names that it cannot keep.
#include <string>
#include <string_view>

#include "registry_rig.hpp"
#include "sluice/encode/influx.hpp"
#include "sluice/encode/otlp.hpp"
#include "tests/catch.hpp"

namespace sluice::test {

TEST_CASE("registry: a process of a group that does not exist is refused") {
  RegistryRig rig(std::size_t{64} << 20U, {});
  CHECK(rig.registry.reserve({}, 1).status().code() == absl::StatusCode::kInvalidArgument);
  const Registry::GroupId group = rig.group("g");
  CHECK(rig.registry.reserve({.group = group}, 1).ok());
  for (const std::uint32_t other : {1U, 256U, UINT32_MAX}) {
    CHECK(rig.registry.reserve({.group = Registry::GroupId{other}}, 1).status().code() ==
          absl::StatusCode::kInvalidArgument);
  }
  CHECK(rig.registry.pre_allocate(demands_of({0, 255})).ok());
  const std::uint64_t allocated_bytes = rig.state->allocated_bytes;
  CHECK(rig.registry.pre_allocate(demands_of({1, 256})).code() == absl::StatusCode::kInvalidArgument);
  CHECK(rig.state->allocated_bytes == allocated_bytes);
}

TEST_CASE("registry: a process without threads is refused, because none of its requests would be read") {
  RegistryRig rig;
  const std::uint64_t allocated_bytes = rig.state->allocated_bytes;
  CHECK(rig.registry.reserve({.group = rig.group("g")}, 0).status().code() == absl::StatusCode::kInvalidArgument);
  CHECK(rig.registry
            .pre_allocate({{.tenant = {}, .threads = 2, .processes = 20}, {.tenant = {}, .threads = 0, .processes = 1}})
            .code() == absl::StatusCode::kInvalidArgument);
  CHECK(rig.state->allocated_bytes == allocated_bytes);
}

TEST_CASE("registry: gauges beside a registry that has no group yet are of the time of the reading") {
  RegistryRig rig;
  const ServerReading reading = rig.read();
  const encode::Gauge gauges[] = {{.name = "depth", .help = "Jobs that wait.", .read = [] { return 2.5; }}};
  const encode::Source source{.groups = &reading, .gauges = gauges};
  std::string text;
  encode::fill(text, [&](std::span<char> out) { return encode::influx(source, {}, out); });
  CHECK(text.starts_with("http_server depth=2.5 1"));
  encode::fill(
      text, [&](std::span<char> out) { return encode::otlp(source, {.encoding = encode::OtlpEncoding::kJson}, out); });
  CHECK(text.find("\"timeUnixNano\":\"1") != std::string::npos);
}

TEST_CASE("registry: a name of a group ends at a zero, and is the same group each time") {
  using namespace std::string_view_literals;
  RegistryRig rig(std::size_t{1} << 20U, {});
  const Registry::GroupId group = rig.group("web");
  CHECK(rig.group("web\0one"sv) == group);
  CHECK(rig.group("web\0two"sv) == group);
  CHECK(rig.read().groups.size() == 1);
}

}  // namespace sluice::test
