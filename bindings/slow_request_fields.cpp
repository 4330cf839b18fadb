// SPDX-License-Identifier: Apache-2.0
// The fields of slow_requests().
#include <array>
#include <string>

#include "bindings/convert.hpp"
#include "bindings/schema.hpp"

namespace sluice::bindings {
namespace {

/// Decodes bytes that a client has sent. Replaces invalid ones, so that the text can be printed and encoded.
PyObject* text_of(const std::string& bytes) {
  return PyUnicode_DecodeUTF8(bytes.data(), static_cast<Py_ssize_t>(bytes.size()), "replace");
}

template <wsgi::RequestText kText>
PyObject* text(const Sample& sample) {
  const std::string& value = sample.slow->text(kText);
  return value.empty() ? Py_NewRef(Py_None) : text_of(value);
}

PyObject* path(const Sample& sample) {
  return text_of(sample.slow->text(wsgi::RequestText::kScriptName) + sample.slow->text(wsgi::RequestText::kPathInfo));
}

template <std::uint64_t wsgi::Completion::*kMember>
PyObject* count(const Sample& sample) {
  return number(sample.slow->done.*kMember);
}

template <std::uint64_t wsgi::Completion::*kMember>
PyObject* seconds(const Sample& sample) {
  return number(seconds_of_us(sample.slow->done.*kMember));
}

PyObject* active(const Sample& sample) { return PyBool_FromLong(sample.slow->active ? 1 : 0); }
PyObject* thread_id(const Sample& sample) { return number(std::uint64_t{sample.slow->thread_id}); }
PyObject* server_pid(const Sample& sample) { return number(sample.slow->server_pid); }
PyObject* start_time(const Sample& sample) { return number(sample.slow->start_time); }
PyObject* duration(const Sample& sample) { return number(seconds_of_us(sample.slow->duration_us)); }
PyObject* status(const Sample& sample) { return PyLong_FromLong(sample.slow->done.status); }
PyObject* gil_wait_time(const Sample& sample) { return number(seconds_of_ns(sample.slow->done.gil_waits.total)); }
PyObject* gil_wait_count(const Sample& sample) { return number(sample.slow->done.gil_waits.count); }
PyObject* cpu_user_time(const Sample& sample) { return number(seconds_of_us(sample.slow->cpu.user_us)); }
PyObject* cpu_system_time(const Sample& sample) { return number(seconds_of_us(sample.slow->cpu.system_us)); }
PyObject* active_requests(const Sample& sample) { return number(std::uint64_t{sample.slow->active_requests}); }

constexpr Field text_field(std::string_view key, ToPython to_python) {
  return {.key = key, .type = Type::kText, .to_python = to_python, .none = NoneRule::kUnknown};
}

constexpr Field seconds_field(std::string_view key, ToPython to_python, NoneRule none, Modes modes = Modes::kBoth) {
  return {
      .key = key, .type = Type::kFloat, .unit = Unit::kSeconds, .to_python = to_python, .none = none, .modes = modes};
}

constexpr Field final_field(std::string_view key, Unit unit, ToPython to_python) {
  return {.key = key, .type = Type::kInt, .unit = unit, .to_python = to_python, .none = NoneRule::kInFlight};
}

constexpr auto kFields = std::to_array<Field>({
    {.key = "active", .type = Type::kBool, .to_python = active},
    {.key = "thread_id", .type = Type::kInt, .to_python = thread_id},
    {.key = "server_pid", .type = Type::kInt, .to_python = server_pid},
    text_field("request_id", text<wsgi::RequestText::kId>),
    {.key = "start_time", .type = Type::kFloat, .unit = Unit::kEpochSeconds, .to_python = start_time},
    {.key = "duration", .type = Type::kFloat, .unit = Unit::kSeconds, .to_python = duration},
    text_field("method", text<wsgi::RequestText::kMethod>),
    {.key = "path", .type = Type::kText, .to_python = path},
    text_field("scheme", text<wsgi::RequestText::kScheme>),
    text_field("hostname", text<wsgi::RequestText::kHost>),
    text_field("protocol", text<wsgi::RequestText::kProtocol>),
    text_field("peer_ip", text<wsgi::RequestText::kPeerAddress>),
    text_field("user_agent", text<wsgi::RequestText::kUserAgent>),
    final_field("status", Unit::kNone, status),
    seconds_field("server_time", seconds<&wsgi::Completion::server_us>, NoneRule::kNever),
    seconds_field("queue_time", seconds<&wsgi::Completion::queue_us>, NoneRule::kNever, Modes::kDaemonOnly),
    seconds_field("daemon_time", seconds<&wsgi::Completion::daemon_us>, NoneRule::kNever, Modes::kDaemonOnly),
    seconds_field("application_time", seconds<&wsgi::Completion::application_us>, NoneRule::kNever),
    seconds_field("gil_wait_time", gil_wait_time, NoneRule::kInFlight),
    final_field("gil_wait_count", Unit::kCount, gil_wait_count),
    seconds_field("input_read_time", seconds<&wsgi::Completion::input_read_us>, NoneRule::kInFlight),
    seconds_field("output_write_time", seconds<&wsgi::Completion::output_write_us>, NoneRule::kInFlight),
    final_field("input_bytes", Unit::kBytes, count<&wsgi::Completion::input_bytes>),
    final_field("input_reads", Unit::kCount, count<&wsgi::Completion::input_reads>),
    final_field("output_bytes", Unit::kBytes, count<&wsgi::Completion::output_bytes>),
    final_field("output_writes", Unit::kCount, count<&wsgi::Completion::output_writes>),
    seconds_field("cpu_user_time", cpu_user_time, NoneRule::kInFlight),
    seconds_field("cpu_system_time", cpu_system_time, NoneRule::kInFlight),
    final_field("active_requests", Unit::kCount, active_requests),
});

}  // namespace

std::span<const Field> slow_request_fields() noexcept { return kFields; }

}  // namespace sluice::bindings
