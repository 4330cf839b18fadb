// SPDX-License-Identifier: Apache-2.0
// Fuzzes the datagrams of the external reporter: random samples are encoded, and decoded by a decoder of this file.
#include <bit>
#include <map>
#include <optional>
#include <variant>

#include "adapters/telemetry/samples.hpp"
#include "tests/fuzz/input.hpp"
#include "tests/fuzz/samples.hpp"

namespace {

using namespace sluice;
using namespace sluice::telemetry;
using fuzz::Input;
using fuzz::require;

constexpr std::size_t kMostDatagram = 200'000;  // the default limit of a Unix socket, less its overhead

using Counts = std::vector<std::uint32_t>;
using Numbers = std::vector<double>;
using Value = std::variant<std::uint64_t, double, std::string, Counts, Numbers>;

/// Reads little-endian values within the remaining bytes.
class Bytes {
 public:
  explicit Bytes(std::string_view bytes) : rest_(bytes) {}

  [[nodiscard]] bool empty() const { return rest_.empty(); }

  std::string_view take(std::size_t size) {
    require(size <= rest_.size(), "a datagram ends with a whole field");
    const std::string_view taken = rest_.substr(0, size);
    rest_.remove_prefix(size);
    return taken;
  }

  std::uint64_t integer(std::size_t size) {
    std::uint64_t value = 0;
    const std::string_view bytes = take(size);
    for (std::size_t i = size; i-- > 0;) value = value << 8 | static_cast<unsigned char>(bytes[i]);
    return value;
  }

  double number() { return std::bit_cast<double>(integer(8)); }

 private:
  std::string_view rest_;
};

Value value_of(Bytes& bytes) {
  const std::uint64_t type = bytes.integer(1);
  if (type == 1) return bytes.integer(8);
  if (type == 2) return bytes.number();
  const std::size_t size = bytes.integer(2);
  if (type == 4) return std::string(bytes.take(size));
  if (type == 5) {
    Counts counts(size);
    for (auto& value : counts) value = static_cast<std::uint32_t>(bytes.integer(4));
    return counts;
  }
  require(type == 6, "a field has one of the five types");
  Numbers numbers(size);
  for (auto& value : numbers) value = bytes.number();
  return numbers;
}

struct Decoded {
  std::uint64_t kind = 0;
  std::uint64_t pid = 0;
  std::uint64_t sequence = 0;
  double stamp = 0.0;
  std::map<std::uint64_t, Value> fields;

  template <class T>
  [[nodiscard]] std::optional<T> get(Field field) const {
    const auto entry = fields.find(static_cast<std::uint64_t>(field));
    if (entry == fields.end()) return std::nullopt;
    require(std::holds_alternative<T>(entry->second), "a field has its own type");
    return std::get<T>(entry->second);
  }
};

Decoded decoded(const Datagram& datagram) {
  require(datagram.bytes().size() <= kMostDatagram, "a datagram fits a Unix socket");
  Bytes bytes(datagram.bytes());
  Decoded result;
  require(bytes.take(4) == "WSGI", "a datagram begins with its magic");
  require(bytes.integer(1) == 1, "the version is 1");
  result.kind = bytes.integer(1);
  require(bytes.integer(2) == 0, "no flags are set");
  result.pid = bytes.integer(4);
  result.sequence = bytes.integer(4);
  result.stamp = bytes.number();
  while (!bytes.empty()) {
    const std::uint64_t id = bytes.integer(2);
    require(result.fields.emplace(id, value_of(bytes)).second, "no field comes twice");
  }
  return result;
}

void require_text(const Decoded& from, Field field, const std::string& text) {
  const auto value = from.get<std::string>(field);
  require(value.has_value() == !text.empty(), "an empty text is left out", text);
  require(text.empty() || *value == text.substr(0, UINT16_MAX), "a text comes back", text);
}

void require_count(const Decoded& from, Field field, std::uint64_t count) {
  require(from.get<std::uint64_t>(field) == count, "a count comes back");
}

Identity identity_of(Input& input) {
  Identity identity;
  identity.module_version = input.text(20);
  identity.hostname = input.text(127);
  identity.process_group = input.text(127);
  // Sometimes longer than a 16-bit length can say.
  if (input.choice(7) == 7) identity.process_group.append(70'000, 'x');
  identity.pid = static_cast<std::uint32_t>(input.integer(4));
  identity.parent_pid = static_cast<std::uint32_t>(input.integer(4));
  return identity;
}

std::uint64_t as_count(std::uint64_t count) { return std::min<std::uint64_t>(count, INT32_MAX); }

void check_window(Input& input) {
  Window window = fuzz::window_of(input);
  if (input.choice(15) == 15) fuzz::resize_slots(window, input.integer(2));
  const Identity identity = identity_of(input);
  const auto sequence = static_cast<std::uint32_t>(input.integer(4));
  const Decoded sent = decoded(request_metrics(identity, {}, window, sequence));
  require(sent.kind == 2 && sent.pid == identity.pid && sent.sequence == sequence, "the header comes back");
  require(sent.stamp == window.stop_time, "the stamp is the end of the window");
  require_text(sent, Field::kHostname, identity.hostname);
  require_text(sent, Field::kProcessGroup, identity.process_group);
  require_count(sent, Field::kProcessParentPid, identity.parent_pid);
  require_count(sent, Field::kRequestCount, window.request_count);
  require_count(sent, Field::kAmountTotal, window.get<&wsgi::Completion::input_bytes>());
  require_count(sent, after(Field::kAmountTotal, 3), window.get<&wsgi::Completion::output_writes>());
  require_count(sent, Field::kRequestThreadsMaximum, window.slots.size());
  for (std::size_t i = 0; i < wsgi::status_classes(window.counts()).size(); ++i) {
    require_count(sent, after(Field::kStatusTotal, i), fuzz::responses(window.counts(), i));
  }
  const auto completed = sent.get<Counts>(Field::kRequestThreadsCompleted);
  const std::size_t listed = std::min(window.slots.size(), kListedThreads);
  require(completed && completed->size() == listed, "the threads are listed up to the limit");
  for (std::size_t i = 0; i < listed; ++i) {
    require((*completed)[i] == as_count(window.slots[i].completed), "a count of a list comes back, or the largest");
  }
  const auto server_buckets = sent.get<Counts>(Field::kPhaseBuckets);
  require(server_buckets && server_buckets->size() == 65, "a histogram has 65 entries");
}

void check_slow_request(Input& input) {
  wsgi::SlowRequest request;
  request.active = input.flag();
  request.thread_id = input.integer(2);
  request.server_pid = input.integer(4);
  request.active_at_start = input.integer(2);
  request.duration_us = input.number();
  request.done.status = static_cast<int>(input.integer(4));
  request.done.input_bytes = input.number();
  for (auto& text : request.texts) text = input.text(127);
  const Decoded sent = decoded(slow_request(request, {.pid = 7, .sequence = 8, .stamp = 9.0}));
  require(sent.kind == 4 && sent.pid == 7 && sent.sequence == 8 && sent.stamp == 9.0, "the header comes back");
  require_count(sent, Field::kSlowAmount, request.done.input_bytes);
  require_count(sent, Field::kSlowThreadId, request.thread_id);
  require_count(sent, Field::kSlowActiveAtStart, request.active_at_start);
  require_count(sent, Field::kSlowStatus, static_cast<std::uint64_t>(std::max(request.done.status, 0)));
  require_text(sent, Field::kSlowPathInfo, request.text(wsgi::RequestText::kPathInfo));
  require_text(sent, Field::kSlowUserAgent, request.text(wsgi::RequestText::kUserAgent));
  require(sent.get<double>(Field::kSlowDuration) == static_cast<double>(request.duration_us) / 1e6,
          "the duration comes back in seconds");
}

void check_collections(Input& input) {
  CollectionLogs logs;
  std::uint64_t runs = 0;
  for (std::size_t log = input.choice(3); log > 0; --log) {
    CollectionLog& own = logs.add();
    own.update({.frozen = 1, .enabled = true});
    for (std::size_t i = input.choice(2) * CollectionLog::kKept / 2 + input.choice(3); i > 0; --i) {
      own.add({.start = 1.5, .duration_ns = input.number(), .generation = 2, .collected = 1, .uncollectable = 0});
      ++runs;
    }
  }
  const Collections drained = logs.drain();
  require(drained.events.size() + drained.dropped == runs, "each collection is told or counted as dropped");
  const Decoded sent = decoded(collection_snapshot(drained.counters, drained.dropped, {.pid = 7}));
  require(sent.kind == 8 && sent.pid == 7, "the header comes back");
  require_count(sent, after(Field::kCollectionRuns, 2), runs);
  require_count(sent, after(Field::kCollectionCollected, 2), runs);
  require_count(sent, Field::kCollectionEventsDropped, drained.dropped);
  for (const CollectionEvent& event : drained.events) {
    const Decoded told = decoded(collection_event(event, {.pid = 7}));
    require(told.kind == 9 && told.get<double>(Field::kCollectionEventStart) == 1.5, "an event comes back");
    require_count(told, Field::kCollectionEventGeneration, 2);
  }
  require(logs.drain().events.empty(), "a collection is drained once");
}

void check_life(Input& input) {
  const Identity identity = identity_of(input);
  const std::string reason = input.text(40);
  const End end{.reason = reason, .active_requests = input.number()};
  const Life life{.uptime = 1.5, .request_count = input.number(), .graceful = input.flag()};
  require_text(decoded(process_started(identity, {})), Field::kModWsgiVersion, identity.module_version);
  require_count(decoded(process_stopping(identity, {}, end)), Field::kActiveRequestsAtDecision, end.active_requests);
  const Decoded stopped = decoded(process_stopped(identity, {}, end, life));
  require_text(stopped, Field::kShutdownReason, reason);
  require_count(stopped, Field::kLifetimeRequestCount, life.request_count);
  require_count(stopped, Field::kGracefulDrain, life.graceful ? 1 : 0);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  Input input(data, size);
  switch (input.choice(3)) {
    case 0:
      check_window(input);
      break;
    case 1:
      check_slow_request(input);
      break;
    case 2:
      check_collections(input);
      break;
    default:
      check_life(input);
  }
  return 0;
}
