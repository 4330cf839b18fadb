// SPDX-License-Identifier: Apache-2.0
// Fuzzes the JSON of the metrics endpoint: process groups of any name are parsed again.
#include <deque>
#include <string>

#include "sluice/encode/server.hpp"
#include "tests/fuzz/json_parser.hpp"
#include "tests/fuzz/samples.hpp"

namespace {

using namespace sluice;
using namespace sluice::fuzz;

void check_reading(const Json& object, const GroupReading& reading, const std::string& text) {
  require(object.at("mode").as_text() == (wsgi::mode_of(reading) == wsgi::Mode::kDaemon ? "daemon" : "embedded"),
          "the mode", text);
  constexpr const char* kClasses[] = {"1xx", "2xx", "3xx", "4xx", "5xx"};
  for (std::size_t i = 0; i < 5; ++i) {
    const std::string& count = object.at("requests").at(kClasses[i]).text;
    require(count == std::to_string(responses(reading.counts.counts(), i)), "a count comes back", text);
  }
  require(object.at("processes").text == std::to_string(reading.processes), "a count comes back", text);
  const std::uint64_t durations = reading.counts.get<&wsgi::Completion::request_us>().count();
  const Json& duration = object.at("request_duration_seconds");
  require(duration.at("count").text == std::to_string(durations), "a histogram counts all", text);
  require(duration.at("buckets").at("+Inf").text == std::to_string(durations), "+Inf counts all", text);
}

void check_processes(const Json& object, const GroupReading& reading, const std::string& text) {
  const auto& processes = object.at("process_list").list();
  require(processes.size() == reading.live.size(), "every process is written", text);
  for (std::size_t i = 0; i < processes.size(); ++i) {
    const ProcessReading& process = reading.live[i];
    require(processes[i].at("pid").text == std::to_string(process.pid), "a process id comes back", text);
    require(processes[i].at("requests").text == std::to_string(process.request_count), "a count comes back", text);
    if (process.state.empty()) continue;
    require(processes[i].at("state").as_text() == with_replacements(std::string(process.state)), "a state comes back",
            text);
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  Input input(data, size);
  ServerReading server;
  server.total.counts.schema = &kSchema;
  std::deque<std::string> states;
  for (std::size_t i = input.choice(4); i > 0; --i) {
    const std::string name = input.text(127);
    GroupReading group = reading_of(input);
    group.name = name;
    for (std::size_t j = input.choice(3); j > 0; --j) {
      const std::string& state = states.emplace_back(input.text(20));
      group.live.push_back({.pid = static_cast<std::int32_t>(input.integer(3)),
                            .listed = input.choice(1) != 0,
                            .request_count = input.number(),
                            .state = state});
    }
    server.total.add(group);
    server.groups.push_back(group);
  }
  const std::string text = encoded(input, [&](std::span<char> out) { return encode::server_json(server, out); });
  const Json json = JsonParser(text).parse();
  const auto& groups = json.at("groups").list();
  require(groups.size() == server.groups.size(), "every group is written", text);
  for (std::size_t i = 0; i < groups.size(); ++i) {
    const std::string& name = groups[i].at("process_group").as_text();
    require(name == with_replacements(server.groups[i].name), "the name of a group comes back", text);
    check_reading(groups[i], server.groups[i], text);
    check_processes(groups[i], server.groups[i], text);
  }
  check_reading(json.at("total"), server.total, text);
  return 0;
}
