// The dicts as tables: one row a key, in the order of the specification. A dict has exactly the keys of its table, and
// the docstrings of the module are written from it.
#pragma once

#include <Python.h>

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "bindings/object.hpp"
#include "sluice/phase.hpp"
#include "sluice/slow_requests.hpp"
#include "sluice/totals.hpp"
#include "sluice/window.hpp"

namespace sluice::bindings {

enum class Type : std::uint8_t { kBool, kInt, kFloat, kText, kIntList, kFloatList, kDictList };

enum class Unit : std::uint8_t { kNone, kSeconds, kEpochSeconds, kMicroseconds, kBytes, kPerSecond, kRatio, kCount };

/// When a value is None.
enum class NoneRule : std::uint8_t { kNever, kEmbeddedMode, kUnobserved, kInFlight, kUnknown };

/// The modes in which a key carries data. The key itself is there in both.
enum class Modes : std::uint8_t { kBoth, kDaemonOnly };

/// What a row makes its value of: a window, the totals of a process, or a slow request.
struct Sample {
  long pid = 0;
  const Window* window = nullptr;
  const ProcessTotals* totals = nullptr;
  const SlowRequest* slow = nullptr;
};

/// Makes a new reference, or null with an exception set.
using Maker = PyObject* (*)(const Sample&);

struct Row {
  std::string_view key;
  Type type = Type::kInt;
  Unit unit = Unit::kNone;
  Maker make = nullptr;
  NoneRule none = NoneRule::kNever;
  Modes modes = Modes::kBoth;
  Phase phase = Phase::kServer;    ///< What kUnobserved asks for.
  std::string_view alias_of = {};  ///< The same object as an earlier key holds; deprecated.
};

[[nodiscard]] std::span<const Row> request_rows() noexcept;
[[nodiscard]] std::span<const Row> process_rows() noexcept;
[[nodiscard]] std::span<const Row> slow_request_rows() noexcept;

/// A line for each key: its type, unit, and when it is None.
[[nodiscard]] std::string describe(std::span<const Row> rows);

/// The rows of a dict with their keys as interned strings of one interpreter.
class DictMaker {
 public:
  explicit DictMaker(std::span<const Row> rows) noexcept : rows_(rows) {}

  /// False with an exception set.
  [[nodiscard]] bool intern_keys();
  void clear() noexcept {
    keys_.clear();
    empty_ = {};
  }

  /// A new dict; null with an exception set.
  [[nodiscard]] Object make(const Sample& sample) const;

 private:
  [[nodiscard]] Object value_of(std::size_t row, const Sample& sample, PyObject* dict) const;

  std::span<const Row> rows_;
  std::vector<Object> keys_;
  std::vector<std::size_t> sources_;  ///< By row, of which row it has its value: itself, or the one it is an alias of.
  Object empty_;                      ///< All keys with None: a copy has its size from the start.
};

}  // namespace sluice::bindings
