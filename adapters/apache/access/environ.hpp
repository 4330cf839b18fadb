// SPDX-License-Identifier: Apache-2.0
// The environ of a script that decides about access: the request without its credentials and without variables of the
// configuration.
#pragma once

#include "adapters/apache/request/called_script.hpp"
#include "bindings/object.hpp"

namespace sluice::apache {

/// A new environ for one call. The functions in it that ask mod_ssl raise RuntimeError once this object is destroyed,
/// because the request may be over then.
class AccessEnviron {
 public:
  AccessEnviron(const CalledScript& script, const std::string& application_group);
  AccessEnviron(const AccessEnviron&) = delete;
  AccessEnviron& operator=(const AccessEnviron&) = delete;
  ~AccessEnviron();

  /// The dict; null when an exception is set.
  [[nodiscard]] const bindings::Object& dict() const noexcept { return dict_; }

 private:
  bindings::Object request_;  ///< A capsule with the request, which the functions of mod_ssl are bound to.
  bindings::Object dict_;
};

}  // namespace sluice::apache
