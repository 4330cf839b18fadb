// SPDX-License-Identifier: Apache-2.0
// The directives of mod_wsgi that have no meaning here, because the module works without what they adjust.
#pragma once

#include "adapters/apache/server/server.hpp"

namespace sluice::apache {

/// A directive that is accepted and does nothing.
struct ObsoleteDirective {
  const char* values;  ///< The words that it takes, separated by '|'. The first asks for what the module does anyway.
  const char* note;    ///< Why another value has no effect.
  bool server_only;
};

extern const ObsoleteDirective kVerboseDebugging;
extern const ObsoleteDirective kAcceptMutex;
extern const ObsoleteDirective kSocketRotation;
extern const ObsoleteDirective kCaseSensitivity;
extern const ObsoleteDirective kGroupAuthoritative;

/// The handler of all of them; `info` of the command is the ObsoleteDirective. Adds a note for a value with a meaning
/// that is lost.
const char* obsolete_directive(cmd_parms* cmd, void* config, const char* value);

}  // namespace sluice::apache
