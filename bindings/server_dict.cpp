#include "bindings/server_dict.hpp"

#include <array>
#include <span>
#include <string_view>

#include "bindings/convert.hpp"
#include "bindings/schema.hpp"

namespace sluice::bindings {
namespace {

// The keys of each kind of dict, in the order of the specification, and their places in the tables below.
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

/// Every byte is a character, whatever it is.
PyObject* text(std::string_view bytes) {
  return PyUnicode_DecodeLatin1(bytes.data(), static_cast<Py_ssize_t>(bytes.size()), nullptr);
}

PyObject* epoch_seconds(std::int64_t us) { return PyFloat_FromDouble(static_cast<double>(us) / 1e6); }

bool intern(std::span<const Field> fields, std::vector<Object>& keys) {
  keys.clear();
  keys.reserve(fields.size());
  for (const Field& field : fields) {
    PyObject* key = PyUnicode_FromStringAndSize(field.key.data(), static_cast<Py_ssize_t>(field.key.size()));
    if (key == nullptr) return false;
    PyUnicode_InternInPlace(&key);
    keys.push_back(steal(key));
  }
  return true;
}

/// A dict that is being filled; whatever fails leaves it failed, with the exception set.
class Filling {
 public:
  Filling(Object dict, const std::vector<Object>& keys) : dict_(std::move(dict)), keys_(keys) {}

  /// Takes over a new reference, null if there was no memory for it.
  template <class Key>
  Filling& set(Key key, PyObject* value) {
    const Object owned = steal(value);
    if (!dict_) return *this;
    if (!owned || PyDict_SetItem(dict_.ptr(), keys_[static_cast<std::size_t>(key)].ptr(), owned.ptr()) < 0) dict_ = {};
    return *this;
  }

  [[nodiscard]] Object take() { return std::move(dict_); }

 private:
  Object dict_;
  const std::vector<Object>& keys_;
};

}  // namespace

std::string describe_server() {
  return describe(kServerFields) + "Each of `processes`:\n\n" + describe(kProcessFields) + "Each of `workers`:\n\n" +
         describe(kWorkerFields);
}

bool ServerDictSchema::prepare() {
  if (!intern(kServerFields, server_keys_) || !intern(kProcessFields, process_keys_) ||
      !intern(kWorkerFields, worker_keys_)) {
    return false;
  }
  Filling unused(steal(PyDict_New()), worker_keys_);
  const ServerWorkerState nothing{};
  for (const auto key : {WorkerKey::kThreadNum, WorkerKey::kGeneration}) unused.set(key, number(std::uint64_t{0}));
  unused.set(WorkerKey::kStatus, text({&nothing.status, 1}));
  for (const auto key : {WorkerKey::kAccessCount, WorkerKey::kBytesServed}) unused.set(key, number(std::uint64_t{0}));
  for (const auto key : {WorkerKey::kStartTime, WorkerKey::kStopTime, WorkerKey::kLastUsed}) {
    unused.set(key, number(0.0));
  }
  for (const auto key : {WorkerKey::kClient, WorkerKey::kRequest, WorkerKey::kVhost}) unused.set(key, text({}));
  unused_worker_ = unused.take();
  return static_cast<bool>(unused_worker_);
}

void ServerDictSchema::clear() noexcept {
  server_keys_.clear();
  process_keys_.clear();
  worker_keys_.clear();
  unused_worker_ = {};
}

Object ServerDictSchema::worker(const ServerWorkerState& state, PyObject* thread_num) const {
  Filling worker(steal(PyDict_Copy(unused_worker_.ptr())), worker_keys_);
  worker.set(WorkerKey::kThreadNum, borrow(thread_num).release().ptr());
  if (state.generation != 0) worker.set(WorkerKey::kGeneration, PyLong_FromLong(state.generation));
  if (state.status != '.') worker.set(WorkerKey::kStatus, text({&state.status, 1}));
  if (state.access_count != 0) worker.set(WorkerKey::kAccessCount, number(state.access_count));
  if (state.bytes_served != 0) worker.set(WorkerKey::kBytesServed, number(state.bytes_served));
  if (state.start_us != 0) worker.set(WorkerKey::kStartTime, epoch_seconds(state.start_us));
  if (state.stop_us != 0) worker.set(WorkerKey::kStopTime, epoch_seconds(state.stop_us));
  if (state.last_used_us != 0) worker.set(WorkerKey::kLastUsed, epoch_seconds(state.last_used_us));
  if (const auto client = state.client.view(); !client.empty()) worker.set(WorkerKey::kClient, text(client));
  if (const auto request = state.request.view(); !request.empty()) worker.set(WorkerKey::kRequest, text(request));
  if (const auto vhost = state.vhost.view(); !vhost.empty()) worker.set(WorkerKey::kVhost, text(vhost));
  return worker.take();
}

Object ServerDictSchema::process(const Scoreboard& scoreboard, const ServerState& server, int number,
                                 const std::vector<Object>& thread_numbers) const {
  Object workers = steal(PyList_New(server.thread_limit));
  ServerWorkerState state{};
  for (int thread = 0; workers && thread < server.thread_limit; ++thread) {
    scoreboard.read_worker(number, thread, state);
    Object one = worker(state, thread_numbers[static_cast<std::size_t>(thread)].ptr());
    if (!one) return {};
    PyList_SET_ITEM(workers.ptr(), thread, one.release().ptr());
  }
  const ServerProcessState process = scoreboard.process(number);
  Filling dict(steal(PyDict_New()), process_keys_);
  dict.set(ProcessKey::kProcessNum, PyLong_FromLong(number))
      .set(ProcessKey::kPid, PyLong_FromLong(process.pid))
      .set(ProcessKey::kGeneration, PyLong_FromLong(process.generation))
      .set(ProcessKey::kQuiescing, PyBool_FromLong(process.quiescing ? 1 : 0))
      .set(ProcessKey::kWorkers, workers.release().ptr());
  return dict.take();
}

Object ServerDictSchema::make(const Scoreboard& scoreboard) const {
  const ServerState server = scoreboard.server();
  std::vector<Object> thread_numbers;
  thread_numbers.reserve(static_cast<std::size_t>(server.thread_limit));
  for (int thread = 0; thread < server.thread_limit; ++thread) {
    thread_numbers.push_back(steal(PyLong_FromLong(thread)));
    if (!thread_numbers.back()) return {};
  }
  Object processes = steal(PyList_New(server.server_limit));
  for (int number = 0; processes && number < server.server_limit; ++number) {
    Object one = process(scoreboard, server, number, thread_numbers);
    if (!one) return {};
    PyList_SET_ITEM(processes.ptr(), number, one.release().ptr());
  }
  Filling dict(steal(PyDict_New()), server_keys_);
  const Object restart_time = steal(epoch_seconds(server.restart_us));
  const Object current_time = steal(epoch_seconds(server.current_us));
  if (!restart_time || !current_time) return {};
  const double running = PyFloat_AS_DOUBLE(current_time.ptr()) - PyFloat_AS_DOUBLE(restart_time.ptr());
  dict.set(ServerKey::kServerLimit, PyLong_FromLong(server.server_limit))
      .set(ServerKey::kThreadLimit, PyLong_FromLong(server.thread_limit))
      .set(ServerKey::kRunningGeneration, PyLong_FromLong(server.running_generation))
      .set(ServerKey::kRestartTime, borrow(restart_time.ptr()).release().ptr())
      .set(ServerKey::kCurrentTime, borrow(current_time.ptr()).release().ptr())
      .set(ServerKey::kRunningTime, PyLong_FromDouble(running))
      .set(ServerKey::kProcesses, processes.release().ptr());
  return dict.take();
}

}  // namespace sluice::bindings
