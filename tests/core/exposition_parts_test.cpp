// SPDX-License-Identifier: Apache-2.0
// Tests the text of several parts against the texts of the parts one by one, of which a few lines here make the same.
#include <cstddef>
#include <map>
#include <random>
#include <string>
#include <string_view>
#include <vector>

#include "sluice/encode/exposition.hpp"
#include "sluice/http.hpp"
#include "tests/catch.hpp"

using namespace sluice;

namespace {

struct Job {
  std::uint64_t duration_ns = kSinceBegin;
  std::uint64_t rows = 0;
};

/// A part, and what it refers to.
struct Owned {
  Window window;
  std::vector<encode::Gauge> gauges;
  std::vector<encode::Label> labels;
};

std::string text_of(const encode::Part& part) {
  std::string text;
  encode::fill(text, [&](std::span<char> out) {
    return encode::exposition(
        part.source, {.format = encode::Format::kOpenMetrics, .prefix = part.prefix, .labels = part.labels}, out);
  });
  return text;
}

/// The families of a text in order: the line with the type, the rest of the head, and the samples.
struct FamilyText {
  std::string type, head, samples;
};

std::vector<FamilyText> families_of(std::string_view text) {
  std::vector<FamilyText> families;
  while (!text.empty()) {
    const std::string line(text.substr(0, text.find('\n') + 1));
    text.remove_prefix(line.size());
    if (line == "# EOF\n") break;
    if (line.starts_with("# TYPE ")) {
      families.push_back({line, {}, {}});
    } else {
      (line.starts_with("# ") ? families.back().head : families.back().samples) += line;
    }
  }
  return families;
}

/// Merges the texts of parts by names: a part that begins a family does so once, later parts add all that has the type,
/// except what is said of the process.
std::string expected_text(const std::vector<encode::Part>& parts) {
  constexpr std::string_view kProcess = "# TYPE process_";
  std::vector<FamilyText> all;
  std::map<std::string, std::size_t> places;
  for (const encode::Part& part : parts) {
    const std::size_t earlier = all.size();
    for (const FamilyText& family : families_of(text_of(part))) {
      const std::string name = family.type.substr(0, family.type.rfind(' '));
      const auto [place, is_new] = places.try_emplace(name, all.size());
      if (is_new) {
        all.push_back(family);
      } else if (place->second < earlier && all[place->second].type == family.type && !name.starts_with(kProcess)) {
        all[place->second].samples += family.samples;
      }
    }
  }
  std::string text;
  for (const FamilyText& family : all) text += family.type + family.head + family.samples;
  return text + "# EOF\n";
}

std::string merged_text(const std::vector<encode::Part>& parts) {
  std::string text;
  encode::fill(text, [&](std::span<char> out) { return encode::exposition(parts, encode::Format::kOpenMetrics, out); });
  return text;
}

}  // namespace

template <>
inline constexpr auto sluice::schema<Job> =
    fields(histogram("duration", Unit::kNanoseconds, &Job::duration_ns, buckets::kFine).help("Duration of jobs."),
           counter("rows", Unit::kNone, &Job::rows).help("Rows."))
        .prefix("jobs");

TEST_CASE("exposition: any parts give the families of each part, merged by name and kind") {
  http::Recorder served({.threads = 2});
  Recorder<Job> jobs({.threads = 1});
  Reader of_served = served.add_reader();
  Reader of_jobs = jobs.add_reader();
  const unsigned seed = std::random_device()();
  CAPTURE(seed);
  std::mt19937 random(seed);
  const std::string_view names[] = {"requests", "busy", "rows", "depth", "de.pth", "de_pth", "threads"};
  const std::string_view values[] = {"a", "b", "c"};
  for (int round = 0; round < 30; ++round) {
    std::vector<Owned> owned(random() % 9);
    std::vector<encode::Part> parts;
    for (Owned& contents : owned) {
      served.attach().begin().finish({.status = 200, .duration_ns = random() % 1'000'000});
      jobs.attach().begin().finish({.duration_ns = random() % 1'000'000, .rows = random() % 9});
      contents.window = (random() % 2 != 0 ? of_served : of_jobs).drain().value();
      for (std::size_t i = random() % 5; i > 0; --i) {
        const double value = static_cast<double>(random() % 100) / 4;
        contents.gauges.push_back({.name = names[random() % std::size(names)],
                                   .help = "A gauge.",
                                   .read = [value] { return value; },
                                   .unit = random() % 3 != 0 ? Unit::kNone : Unit::kBytes,
                                   .label = "of",
                                   .value = values[random() % 3]});
      }
      contents.labels = {{"shard", values[random() % 3]}};
      encode::Part part{.source = {.gauges = contents.gauges}, .labels = contents.labels};
      if (random() % 4 != 0) part.source.window = &contents.window;
      if (random() % 3 == 0) part.prefix = random() % 2 != 0 ? "http_server" : "jobs";
      parts.push_back(part);
    }
    CHECK(merged_text(parts) == expected_text(parts));
  }
}

TEST_CASE("exposition: a part is read a number of times that does not depend on the other parts") {
  for (const std::size_t count : {1U, 10U, 200U}) {
    std::size_t reads = 0;
    const std::string help(100, 'x');
    std::vector<encode::Gauge> gauges;
    for (const char* const value : {"a", "b", "c"}) {
      gauges.push_back({.name = "depth",
                        .help = help,
                        .read = [&reads] { return static_cast<double>(++reads); },
                        .label = "of",
                        .value = value});
    }
    std::vector<std::string> prefixes;
    for (std::size_t i = 0; i < count; ++i) prefixes.push_back(std::string("p").append(std::to_string(i)));
    std::vector<encode::Part> parts;
    parts.reserve(prefixes.size());
    for (const std::string& prefix : prefixes) parts.push_back({.source = {.gauges = gauges}, .prefix = prefix});
    std::string text(1'000'000, ' ');
    CHECK(encode::exposition(parts, encode::Format::kPrometheus, text).complete());
    CHECK(reads >= 3 * count);
    CHECK(reads <= 2 * 3 * count);
  }
}

TEST_CASE("exposition: a family whose samples would have the names of others is left out") {
  Recorder<Job> jobs({.threads = 1});
  const Window window = jobs.add_reader().drain().value();
  const auto gauge = [](std::string_view name) {
    return encode::Gauge{.name = name, .help = "A gauge.", .read = [] { return 1.0; }};
  };
  const encode::Part of_jobs{.source = {.window = &window}};
  for (const std::string_view name :
       {"duration_seconds_count", "duration_seconds_bucket", "rows_total", "rows_created"}) {
    CAPTURE(name);
    const encode::Gauge gauges[] = {gauge(name), gauge("depth")};
    const encode::Part of_gauges{.source = {.gauges = gauges}, .prefix = "jobs"};
    const std::string before = merged_text({of_gauges, of_jobs});
    const std::string after = merged_text({of_jobs, of_gauges});
    const std::string type = "# TYPE jobs_" + std::string(name) + " gauge\n";
    CHECK((after.find(type) == std::string::npos));
    CHECK((after.find("# TYPE jobs_depth gauge\n") != std::string::npos));
    CHECK((before.find(type) != std::string::npos));
    const std::string family = name.starts_with("rows") ? "# TYPE jobs_rows " : "# TYPE jobs_duration_seconds ";
    CHECK((before.find(family) == std::string::npos));
    CHECK((after.find(family) != std::string::npos));
  }
}

TEST_CASE("exposition: a part whose text is longer than any before is written whole") {
  const std::string help(50'000, 'x');
  const std::string longer(100'000, 'y');
  const encode::Gauge gauges[] = {{.name = "long", .help = help, .read = [] { return 1.0; }},
                                  {.name = "short", .help = "Short.", .read = [] { return 2.0; }}};
  const encode::Gauge more[] = {{.name = "other", .help = longer, .read = [] { return 3.0; }},
                                {.name = "long", .help = help, .read = [] { return 4.0; }}};
  const std::vector<encode::Part> parts{{.source = {.gauges = gauges}, .prefix = ""},
                                        {.source = {.gauges = more}, .prefix = ""}};
  const std::string merged = merged_text(parts);
  CHECK((merged == expected_text(parts)));
  CHECK((merged.find("long 1\nlong 4\n") != std::string::npos));
}
