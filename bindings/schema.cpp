// SPDX-License-Identifier: Apache-2.0
#include "bindings/schema.hpp"

#include <algorithm>

#include "adapters/wsgi/schema/window.hpp"
#include "bindings/dict_builder.hpp"
#include "bindings/items.hpp"

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

bool is_none(const Field& field, const Sample& sample) {
  switch (field.none) {
    case NoneRule::kNever:
      return false;
    case NoneRule::kEmbeddedMode:
      return wsgi::mode_of(*sample.window) == wsgi::Mode::kEmbedded;
    case NoneRule::kUnobserved:
      return !wsgi::phase_of(*sample.window, field.phase).observed();
    case NoneRule::kInFlight:
      return sample.slow->active;
    case NoneRule::kUnknown:
      return false;  // to_python() returns None itself when the value is unknown
  }
  return false;
}

}  // namespace

std::string describe(std::span<const Field> fields) {
  std::string text;
  for (const Field& field : fields) {
    text.append("  ").append(field.key).append(": ").append(text_of(field.type));
    if (field.unit != Unit::kNone) text.append(", ").append(text_of(field.unit));
    if (field.none != NoneRule::kNever) text.append("; ").append(text_of(field.none));
    if (field.none == NoneRule::kNever && field.modes == Modes::kDaemonOnly) text.append("; zeros in embedded mode");
    if (!field.alias_of.empty()) text.append("; deprecated, same as ").append(field.alias_of);
    text.push_back('\n');
  }
  return text;
}

bool DictSchema::intern_keys() {
  clear();
  keys_.reserve(fields_.size());
  sources_.clear();
  empty_ = steal(PyDict_New());
  if (!empty_) return false;
  for (const Field& field : fields_) {
    PyObject* key = PyUnicode_FromStringAndSize(field.key.data(), static_cast<Py_ssize_t>(field.key.size()));
    if (key == nullptr) return false;
    PyUnicode_InternInPlace(&key);
    keys_.push_back(steal(key));
    const std::string_view source = field.alias_of.empty() ? field.key : field.alias_of;
    const auto provider =
        std::find_if(fields_.begin(), fields_.end(), [&](const Field& other) { return other.key == source; });
    sources_.push_back(static_cast<std::size_t>(provider - fields_.begin()));
    if (PyDict_SetItem(empty_.ptr(), key, Py_None) < 0) return false;
  }
  return true;
}

Object DictSchema::value_of(std::size_t field, const Sample& sample, PyObject* dict) const {
  if (sources_[field] != field) return item_of(dict, keys_[sources_[field]].ptr());
  return steal(fields_[field].to_python(sample));
}

Object DictSchema::build(const Sample& sample) const {
  DictBuilder dict(steal(PyDict_Copy(empty_.ptr())));
  for (std::size_t i = 0; i < fields_.size() && dict.dict() != nullptr; ++i) {
    if (!is_none(fields_[i], sample)) dict.set(keys_[i], value_of(i, sample, dict.dict()));
  }
  return dict.take();
}

}  // namespace sluice::bindings
