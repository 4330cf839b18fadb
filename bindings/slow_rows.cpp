// The table of slow_requests().
#include <array>
#include <string>

#include "bindings/makers.hpp"
#include "bindings/schema.hpp"

namespace sluice::bindings {
namespace {

/// Whatever bytes a client sent become text, so that it can be printed and encoded.
PyObject* text_of(const std::string& bytes) {
  return PyUnicode_DecodeUTF8(bytes.data(), static_cast<Py_ssize_t>(bytes.size()), "replace");
}

template <RequestText kText>
PyObject* text(const Sample& sample) {
  const std::string& value = sample.slow->text(kText);
  return value.empty() ? Py_NewRef(Py_None) : text_of(value);
}

PyObject* path(const Sample& sample) {
  return text_of(sample.slow->text(RequestText::kScriptName) + sample.slow->text(RequestText::kPathInfo));
}

template <std::uint64_t Completion::*Field>
PyObject* count(const Sample& sample) {
  return number(sample.slow->done.*Field);
}

template <std::uint64_t Completion::*Field>
PyObject* seconds(const Sample& sample) {
  return number(seconds_of_us(sample.slow->done.*Field));
}

PyObject* active(const Sample& sample) { return PyBool_FromLong(sample.slow->active ? 1 : 0); }
PyObject* thread_id(const Sample& sample) { return number(std::uint64_t{sample.slow->thread_id}); }
PyObject* server_pid(const Sample& sample) { return number(sample.slow->server_pid); }
PyObject* start_time(const Sample& sample) { return number(sample.slow->start_time); }
PyObject* duration(const Sample& sample) { return number(seconds_of_us(sample.slow->duration_us)); }
PyObject* status(const Sample& sample) { return PyLong_FromLong(sample.slow->done.status); }
PyObject* gil_wait_time(const Sample& sample) { return number(seconds_of_ns(sample.slow->done.gil_waits.total_ns)); }
PyObject* gil_wait_count(const Sample& sample) { return number(sample.slow->done.gil_waits.count); }
PyObject* cpu_user_time(const Sample& sample) { return number(seconds_of_us(sample.slow->cpu.user_us)); }
PyObject* cpu_system_time(const Sample& sample) { return number(seconds_of_us(sample.slow->cpu.system_us)); }
PyObject* active_requests(const Sample& sample) { return number(std::uint64_t{sample.slow->active_requests}); }

constexpr Row text_row(std::string_view key, Maker make) {
  return {.key = key, .type = Type::kText, .make = make, .none = NoneRule::kUnknown};
}

constexpr Row seconds_row(std::string_view key, Maker make, NoneRule none, Modes modes = Modes::kBoth) {
  return {.key = key, .type = Type::kFloat, .unit = Unit::kSeconds, .make = make, .none = none, .modes = modes};
}

constexpr Row final_row(std::string_view key, Unit unit, Maker make) {
  return {.key = key, .type = Type::kInt, .unit = unit, .make = make, .none = NoneRule::kInFlight};
}

constexpr auto kRows = std::to_array<Row>({
    {.key = "active", .type = Type::kBool, .make = active},
    {.key = "thread_id", .type = Type::kInt, .make = thread_id},
    {.key = "server_pid", .type = Type::kInt, .make = server_pid},
    text_row("request_id", text<RequestText::kId>),
    {.key = "start_time", .type = Type::kFloat, .unit = Unit::kEpochSeconds, .make = start_time},
    {.key = "duration", .type = Type::kFloat, .unit = Unit::kSeconds, .make = duration},
    text_row("method", text<RequestText::kMethod>),
    {.key = "path", .type = Type::kText, .make = path},
    text_row("scheme", text<RequestText::kScheme>),
    text_row("hostname", text<RequestText::kHost>),
    text_row("protocol", text<RequestText::kProtocol>),
    text_row("peer_ip", text<RequestText::kPeerAddress>),
    text_row("user_agent", text<RequestText::kUserAgent>),
    final_row("status", Unit::kNone, status),
    seconds_row("server_time", seconds<&Completion::server_us>, NoneRule::kNever),
    seconds_row("queue_time", seconds<&Completion::queue_us>, NoneRule::kNever, Modes::kDaemonOnly),
    seconds_row("daemon_time", seconds<&Completion::daemon_us>, NoneRule::kNever, Modes::kDaemonOnly),
    seconds_row("application_time", seconds<&Completion::application_us>, NoneRule::kNever),
    seconds_row("gil_wait_time", gil_wait_time, NoneRule::kInFlight),
    final_row("gil_wait_count", Unit::kCount, gil_wait_count),
    seconds_row("input_read_time", seconds<&Completion::input_read_us>, NoneRule::kInFlight),
    seconds_row("output_write_time", seconds<&Completion::output_write_us>, NoneRule::kInFlight),
    final_row("input_bytes", Unit::kBytes, count<&Completion::input_bytes>),
    final_row("input_reads", Unit::kCount, count<&Completion::input_reads>),
    final_row("output_bytes", Unit::kBytes, count<&Completion::output_bytes>),
    final_row("output_writes", Unit::kCount, count<&Completion::output_writes>),
    seconds_row("cpu_user_time", cpu_user_time, NoneRule::kInFlight),
    seconds_row("cpu_system_time", cpu_system_time, NoneRule::kInFlight),
    final_row("active_requests", Unit::kCount, active_requests),
});

}  // namespace

std::span<const Row> slow_request_rows() noexcept { return kRows; }

}  // namespace sluice::bindings
