// SPDX-License-Identifier: Apache-2.0
// The fields of process_metrics().
#include <array>

#include "bindings/convert.hpp"
#include "bindings/dict_builder.hpp"
#include "bindings/schema.hpp"

namespace sluice::bindings {
namespace {

PyObject* pid(const Sample& sample) { return PyLong_FromLong(sample.pid); }
PyObject* restart_time(const Sample& sample) { return number(sample.totals->restart_time); }
PyObject* current_time(const Sample& sample) { return number(sample.totals->current_time); }
PyObject* running_time(const Sample& sample) { return PyLong_FromDouble(sample.totals->running_seconds()); }
PyObject* request_count(const Sample& sample) { return number(sample.totals->request_count); }
PyObject* request_busy_time(const Sample& sample) { return number(seconds_of_ns(sample.totals->request_busy_ns)); }
PyObject* request_threads(const Sample& sample) { return number(std::uint64_t{sample.totals->threads.size()}); }
PyObject* active_requests(const Sample& sample) { return number(std::uint64_t{sample.totals->active_requests}); }
PyObject* cpu_user_time(const Sample& sample) { return number(seconds_of_us(sample.totals->resources.cpu_user_us)); }
PyObject* cpu_system_time(const Sample& sample) {
  return number(seconds_of_us(sample.totals->resources.cpu_system_us));
}
PyObject* cpu_time(const Sample& sample) {
  return number(seconds_of_us(sample.totals->resources.cpu_user_us) +
                seconds_of_us(sample.totals->resources.cpu_system_us));
}
PyObject* memory_rss(const Sample& sample) { return number(sample.totals->resources.memory_rss); }
PyObject* memory_max_rss(const Sample& sample) { return number(sample.totals->resources.memory_max_rss); }

PyObject* threads(const Sample& sample) {
  const Object thread_id_key = steal(PyUnicode_InternFromString("thread_id"));
  const Object count_key = steal(PyUnicode_InternFromString("request_count"));
  if (!thread_id_key || !count_key) return nullptr;
  const auto& all = sample.totals->threads;
  return list_of(all.size(), [&](std::size_t i) {
    return DictBuilder()
        .set(thread_id_key, steal(number(std::uint64_t{all[i].thread_id})))
        .set(count_key, steal(number(all[i].request_count)))
        .take()
        .release()
        .ptr();
  });
}

constexpr auto kFields = std::to_array<Field>({
    {.key = "pid", .type = Type::kInt, .to_python = pid},
    {.key = "restart_time", .type = Type::kFloat, .unit = Unit::kEpochSeconds, .to_python = restart_time},
    {.key = "current_time", .type = Type::kFloat, .unit = Unit::kEpochSeconds, .to_python = current_time},
    {.key = "running_time", .type = Type::kInt, .unit = Unit::kSeconds, .to_python = running_time},
    {.key = "request_count", .type = Type::kInt, .unit = Unit::kCount, .to_python = request_count},
    {.key = "request_busy_time", .type = Type::kFloat, .unit = Unit::kSeconds, .to_python = request_busy_time},
    {.key = "request_threads", .type = Type::kInt, .unit = Unit::kCount, .to_python = request_threads},
    {.key = "active_requests", .type = Type::kInt, .unit = Unit::kCount, .to_python = active_requests},
    {.key = "cpu_user_time", .type = Type::kFloat, .unit = Unit::kSeconds, .to_python = cpu_user_time},
    {.key = "cpu_system_time", .type = Type::kFloat, .unit = Unit::kSeconds, .to_python = cpu_system_time},
    {.key = "cpu_time", .type = Type::kFloat, .unit = Unit::kSeconds, .to_python = cpu_time},
    {.key = "memory_rss", .type = Type::kInt, .unit = Unit::kBytes, .to_python = memory_rss},
    {.key = "memory_max_rss", .type = Type::kInt, .unit = Unit::kBytes, .to_python = memory_max_rss},
    {.key = "threads", .type = Type::kDictList, .to_python = threads},
});

}  // namespace

std::span<const Field> process_fields() noexcept { return kFields; }

}  // namespace sluice::bindings
