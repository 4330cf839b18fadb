#include "bindings/schema.hpp"

#include <algorithm>

namespace sluice::bindings {
namespace {

std::string_view text_of(Type type) {
  switch (type) {
    case Type::kBool:
      return "bool";
    case Type::kInt:
      return "int";
    case Type::kFloat:
      return "float";
    case Type::kText:
      return "str";
    case Type::kIntList:
      return "list of int";
    case Type::kFloatList:
      return "list of float";
    case Type::kDictList:
      return "list of dict";
  }
  return "";
}

std::string_view text_of(Unit unit) {
  switch (unit) {
    case Unit::kNone:
      return "";
    case Unit::kSeconds:
      return "seconds";
    case Unit::kEpochSeconds:
      return "seconds since the epoch";
    case Unit::kMicroseconds:
      return "microseconds";
    case Unit::kBytes:
      return "bytes";
    case Unit::kPerSecond:
      return "per second";
    case Unit::kRatio:
      return "ratio";
    case Unit::kCount:
      return "count";
  }
  return "";
}

std::string_view text_of(NoneRule rule) {
  switch (rule) {
    case NoneRule::kNever:
      return "";
    case NoneRule::kEmbeddedMode:
      return "None in embedded mode";
    case NoneRule::kUnobserved:
      return "None without an observation";
    case NoneRule::kInFlight:
      return "None while the request is in flight";
    case NoneRule::kUnknown:
      return "None if unknown";
  }
  return "";
}

bool is_none(const Row& row, const Sample& sample) {
  switch (row.none) {
    case NoneRule::kNever:
      return false;
    case NoneRule::kEmbeddedMode:
      return sample.window->mode == Mode::kEmbedded;
    case NoneRule::kUnobserved:
      return !(*sample.window)[row.phase].observed();
    case NoneRule::kInFlight:
      return sample.slow->active;
    case NoneRule::kUnknown:
      return false;  // its maker knows
  }
  return false;
}

}  // namespace

std::string describe(std::span<const Row> rows) {
  std::string text;
  for (const Row& row : rows) {
    text.append("  ").append(row.key).append(": ").append(text_of(row.type));
    if (row.unit != Unit::kNone) text.append(", ").append(text_of(row.unit));
    if (row.none != NoneRule::kNever) text.append("; ").append(text_of(row.none));
    if (row.none == NoneRule::kNever && row.modes == Modes::kDaemonOnly) text.append("; zeros in embedded mode");
    if (!row.alias_of.empty()) text.append("; deprecated, same as ").append(row.alias_of);
    text.push_back('\n');
  }
  return text;
}

bool DictMaker::intern_keys() {
  clear();
  keys_.reserve(rows_.size());
  sources_.clear();
  empty_ = steal(PyDict_New());
  if (!empty_) return false;
  for (const Row& row : rows_) {
    PyObject* key = PyUnicode_FromStringAndSize(row.key.data(), static_cast<Py_ssize_t>(row.key.size()));
    if (key == nullptr) return false;
    PyUnicode_InternInPlace(&key);
    keys_.push_back(steal(key));
    const std::string_view source = row.alias_of.empty() ? row.key : row.alias_of;
    const auto found = std::find_if(rows_.begin(), rows_.end(), [&](const Row& each) { return each.key == source; });
    sources_.push_back(static_cast<std::size_t>(found - rows_.begin()));
    if (PyDict_SetItem(empty_.ptr(), key, Py_None) < 0) return false;
  }
  return true;
}

Object DictMaker::value_of(std::size_t row, const Sample& sample, PyObject* dict) const {
  if (sources_[row] != row) return borrow(PyDict_GetItemWithError(dict, keys_[sources_[row]].ptr()));
  if (is_none(rows_[row], sample)) return borrow(Py_None);
  return steal(rows_[row].make(sample));
}

Object DictMaker::make(const Sample& sample) const {
  Object dict = steal(PyDict_Copy(empty_.ptr()));
  if (!dict) return dict;
  for (std::size_t i = 0; i < rows_.size(); ++i) {
    const Object value = value_of(i, sample, dict.ptr());
    if (!value || PyDict_SetItem(dict.ptr(), keys_[i].ptr(), value.ptr()) < 0) return {};
  }
  return dict;
}

}  // namespace sluice::bindings
