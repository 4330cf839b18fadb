// SPDX-License-Identifier: Apache-2.0
// The end of a response that is sent without Python.
#pragma once

#include <cstddef>
#include <string>

namespace sluice::wsgi {

/// The end of a response, kept until the GIL has been released (process/service.cpp). Sending it needs no Python, so a
/// request whose response is one small block acquires the GIL only once.
struct DeferredWrite {
  bool pending = false;
  bool complete = true;  ///< The response ends with it; false when it is shorter than its Content-Length.
  std::string data;

  /// Upper limit of `data`. A longer end of a response is sent without copying it.
  static constexpr std::size_t kMaxBytes = 64 * 1024;
};

}  // namespace sluice::wsgi
