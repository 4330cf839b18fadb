// SPDX-License-Identifier: Apache-2.0
// The dicts of the module as tables of fields, in the order of the specification. A dict has exactly the keys of its
// table, and the docstrings of the module are generated from it.
#pragma once

#include <Python.h>

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "adapters/wsgi/schema/phase.hpp"
#include "adapters/wsgi/schema/slow_requests.hpp"
#include "bindings/object.hpp"
#include "sluice/totals.hpp"
#include "sluice/window.hpp"

namespace sluice::bindings {

enum class Type : std::uint8_t { kBool, kInt, kFloat, kText, kIntList, kFloatList, kDictList };

enum class Unit : std::uint8_t { kNone, kSeconds, kEpochSeconds, kMicroseconds, kBytes, kPerSecond, kRatio, kCount };

/// The condition under which a value is None.
enum class NoneRule : std::uint8_t { kNever, kEmbeddedMode, kUnobserved, kInFlight, kUnknown };

/// The modes in which a key carries data. The key itself exists in both.
enum class Modes : std::uint8_t { kBoth, kDaemonOnly };

/// The source of the values of one dict: a window, the totals of a process, or a slow request. The others are null.
struct Sample {
  long pid = 0;
  const Window* window = nullptr;
  const ProcessTotals* totals = nullptr;
  const wsgi::SlowRequest* slow = nullptr;
};

/// Converts the value of one field. Returns a new reference, or null with an exception set.
using ToPython = PyObject* (*)(const Sample&);

struct Field {
  std::string_view key;
  Type type = Type::kInt;
  Unit unit = Unit::kNone;
  ToPython to_python = nullptr;
  NoneRule none = NoneRule::kNever;
  Modes modes = Modes::kBoth;
  wsgi::Phase phase = wsgi::Phase::kServer;  ///< The phase whose observations kUnobserved tests.
  std::string_view alias_of = {};            ///< Key of an earlier field whose object this key shares; deprecated.
};

[[nodiscard]] std::span<const Field> request_fields() noexcept;
[[nodiscard]] std::span<const Field> process_fields() noexcept;
[[nodiscard]] std::span<const Field> slow_request_fields() noexcept;

/// Returns one line for each key: its type, its unit, and when it is None.
[[nodiscard]] std::string describe(std::span<const Field> fields);

/// The fields of a dict with their keys as interned strings of one interpreter. Used with its GIL held.
class DictSchema {
 public:
  explicit DictSchema(std::span<const Field> fields) noexcept : fields_(fields) {}

  /// Creates the keys. Returns false with an exception set.
  [[nodiscard]] bool intern_keys();
  void clear() noexcept {
    keys_.clear();
    empty_ = {};
  }

  /// The key of a field, by its position in the table.
  template <class Position>
  [[nodiscard]] PyObject* key(Position position) const noexcept {
    return keys_[static_cast<std::size_t>(position)].ptr();
  }

  /// Returns a new dict, or null with an exception set. Requires that every field can be converted.
  [[nodiscard]] Object build(const Sample& sample) const;

 private:
  [[nodiscard]] Object value_of(std::size_t field, const Sample& sample, PyObject* dict) const;

  std::span<const Field> fields_;
  std::vector<Object> keys_;
  /// By field, the field that supplies its value: itself, or the one that it is an alias of.
  std::vector<std::size_t> sources_;
  Object empty_;  ///< Every key with the value None. Dicts are copies of it, so that they do not grow.
};

}  // namespace sluice::bindings
