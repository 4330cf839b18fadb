// SPDX-License-Identifier: Apache-2.0
#include "bindings/server_dict.hpp"

#include <array>
#include <string_view>

#include "bindings/convert.hpp"
#include "bindings/dict_builder.hpp"
#include "bindings/schema.hpp"
#include "sluice/units.hpp"

namespace sluice::bindings {
namespace {

// The keys of each kind of dict, in the order of the specification, which is that of the tables below.
enum class ServerKey : std::uint8_t {
  kServerLimit,
  kThreadLimit,
  kRunningGeneration,
  kRestartTime,
  kCurrentTime,
  kRunningTime,
  kProcesses
};
enum class ProcessKey : std::uint8_t { kProcessNum, kPid, kGeneration, kQuiescing, kWorkers };
enum class WorkerKey : std::uint8_t {
  kThreadNum,
  kGeneration,
  kStatus,
  kAccessCount,
  kBytesServed,
  kStartTime,
  kStopTime,
  kLastUsed,
  kClient,
  kRequest,
  kVhost
};

constexpr auto kServerFields = std::to_array<Field>({
    {.key = "server_limit", .type = Type::kInt, .unit = Unit::kCount},
    {.key = "thread_limit", .type = Type::kInt, .unit = Unit::kCount},
    {.key = "running_generation", .type = Type::kInt},
    {.key = "restart_time", .type = Type::kFloat, .unit = Unit::kEpochSeconds},
    {.key = "current_time", .type = Type::kFloat, .unit = Unit::kEpochSeconds},
    {.key = "running_time", .type = Type::kInt, .unit = Unit::kSeconds},
    {.key = "processes", .type = Type::kDictList},
});

constexpr auto kProcessFields = std::to_array<Field>({
    {.key = "process_num", .type = Type::kInt},
    {.key = "pid", .type = Type::kInt},
    {.key = "generation", .type = Type::kInt},
    {.key = "quiescing", .type = Type::kBool},
    {.key = "workers", .type = Type::kDictList},
});

constexpr auto kWorkerFields = std::to_array<Field>({
    {.key = "thread_num", .type = Type::kInt},
    {.key = "generation", .type = Type::kInt},
    {.key = "status", .type = Type::kText},
    {.key = "access_count", .type = Type::kInt, .unit = Unit::kCount},
    {.key = "bytes_served", .type = Type::kInt, .unit = Unit::kBytes},
    {.key = "start_time", .type = Type::kFloat, .unit = Unit::kEpochSeconds},
    {.key = "stop_time", .type = Type::kFloat, .unit = Unit::kEpochSeconds},
    {.key = "last_used", .type = Type::kFloat, .unit = Unit::kEpochSeconds},
    {.key = "client", .type = Type::kText},
    {.key = "request", .type = Type::kText},
    {.key = "vhost", .type = Type::kText},
});

/// Decodes Latin-1, in which every byte is a character.
Object text(std::string_view bytes) {
  return steal(PyUnicode_DecodeLatin1(bytes.data(), static_cast<Py_ssize_t>(bytes.size()), nullptr));
}

Object whole(long value) { return steal(PyLong_FromLong(value)); }
Object count(std::uint64_t value) { return steal(number(value)); }
double seconds(std::int64_t us) { return static_cast<double>(us) / static_cast<double>(kUsPerSecond); }
Object epoch_seconds(std::int64_t us) { return steal(number(seconds(us))); }

}  // namespace

std::string describe_server() {
  return describe(kServerFields) + "Each of `processes`:\n\n" + describe(kProcessFields) + "Each of `workers`:\n\n" +
         describe(kWorkerFields);
}

ServerDictSchema::ServerDictSchema() noexcept
    : server_(kServerFields), process_(kProcessFields), worker_(kWorkerFields) {}

bool ServerDictSchema::intern_keys() {
  if (!server_.intern_keys() || !process_.intern_keys() || !worker_.intern_keys()) return false;
  const ServerWorkerState unused{};
  DictBuilder dict;
  for (const auto key : {WorkerKey::kThreadNum, WorkerKey::kGeneration}) dict.set(worker_.key(key), whole(0));
  dict.set(worker_.key(WorkerKey::kStatus), text({&unused.status, 1}));
  for (const auto key : {WorkerKey::kAccessCount, WorkerKey::kBytesServed}) dict.set(worker_.key(key), count(0));
  for (const auto key : {WorkerKey::kStartTime, WorkerKey::kStopTime, WorkerKey::kLastUsed}) {
    dict.set(worker_.key(key), epoch_seconds(0));
  }
  for (const auto key : {WorkerKey::kClient, WorkerKey::kRequest, WorkerKey::kVhost})
    dict.set(worker_.key(key), text({}));
  unused_worker_ = dict.take();
  return static_cast<bool>(unused_worker_);
}

Object ServerDictSchema::worker(const ServerWorkerState& state, const Object& thread_num) const {
  DictBuilder worker(steal(PyDict_Copy(unused_worker_.ptr())));
  const auto set = [&](WorkerKey key, const Object& value) { worker.set(worker_.key(key), value); };
  set(WorkerKey::kThreadNum, thread_num);
  if (state.generation != 0) set(WorkerKey::kGeneration, whole(state.generation));
  if (state.status != '.') set(WorkerKey::kStatus, text({&state.status, 1}));
  if (state.access_count != 0) set(WorkerKey::kAccessCount, count(state.access_count));
  if (state.bytes_served != 0) set(WorkerKey::kBytesServed, count(state.bytes_served));
  if (state.start_us != 0) set(WorkerKey::kStartTime, epoch_seconds(state.start_us));
  if (state.stop_us != 0) set(WorkerKey::kStopTime, epoch_seconds(state.stop_us));
  if (state.last_used_us != 0) set(WorkerKey::kLastUsed, epoch_seconds(state.last_used_us));
  if (const auto client = state.client.view(); !client.empty()) set(WorkerKey::kClient, text(client));
  if (const auto request = state.request.view(); !request.empty()) set(WorkerKey::kRequest, text(request));
  if (const auto vhost = state.vhost.view(); !vhost.empty()) set(WorkerKey::kVhost, text(vhost));
  return worker.take();
}

Object ServerDictSchema::process(const Scoreboard& scoreboard, int process_num,
                                 const std::vector<Object>& thread_numbers) const {
  ServerWorkerState state{};
  const Object workers = steal(list_of(thread_numbers.size(), [&](std::size_t thread) {
    scoreboard.read_worker(process_num, static_cast<int>(thread), state);
    return worker(state, thread_numbers[thread]).release().ptr();
  }));
  if (!workers) return {};
  const ServerProcessState process = scoreboard.process(process_num);
  return DictBuilder()
      .set(process_.key(ProcessKey::kProcessNum), whole(process_num))
      .set(process_.key(ProcessKey::kPid), whole(process.pid))
      .set(process_.key(ProcessKey::kGeneration), whole(process.generation))
      .set(process_.key(ProcessKey::kQuiescing), steal(PyBool_FromLong(process.quiescing ? 1 : 0)))
      .set(process_.key(ProcessKey::kWorkers), workers)
      .take();
}

Object ServerDictSchema::build(const Scoreboard& scoreboard) const {
  const ServerState server = scoreboard.server();
  std::vector<Object> thread_numbers;
  thread_numbers.reserve(static_cast<std::size_t>(server.thread_limit));
  for (int thread = 0; thread < server.thread_limit; ++thread) {
    thread_numbers.push_back(whole(thread));
    if (!thread_numbers.back()) return {};
  }
  const Object processes = steal(list_of(static_cast<std::size_t>(server.server_limit), [&](std::size_t number) {
    return process(scoreboard, static_cast<int>(number), thread_numbers).release().ptr();
  }));
  if (!processes) return {};
  const double running_seconds = seconds(server.current_us) - seconds(server.restart_us);
  return DictBuilder()
      .set(server_.key(ServerKey::kServerLimit), whole(server.server_limit))
      .set(server_.key(ServerKey::kThreadLimit), whole(server.thread_limit))
      .set(server_.key(ServerKey::kRunningGeneration), whole(server.running_generation))
      .set(server_.key(ServerKey::kRestartTime), epoch_seconds(server.restart_us))
      .set(server_.key(ServerKey::kCurrentTime), epoch_seconds(server.current_us))
      .set(server_.key(ServerKey::kRunningTime), steal(PyLong_FromDouble(running_seconds)))
      .set(server_.key(ServerKey::kProcesses), processes)
      .take();
}

}  // namespace sluice::bindings
