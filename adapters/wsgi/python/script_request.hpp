// SPDX-License-Identifier: Apache-2.0
// The script that a request asks for. Knows nothing of Python.
#pragma once

#include <cstdint>
#include <string>

namespace sluice::wsgi {

/// Learns when a request has to load its script, and when it has it. The calls may come from several threads; the
/// caller holds the GIL.
class LoadListener {
 public:
  virtual ~LoadListener() = default;
  virtual void loading() noexcept = 0;  ///< The code of the script is about to run.
  virtual void loaded() noexcept = 0;   ///< The script has been loaded without an error, now or before.
};

struct ScriptRequest {
  /// The action when the file has changed since it was loaded, or when its module asks to be loaded again.
  enum class OnChange : std::uint8_t {
    kServe,   ///< Serve the request with the loaded module.
    kReload,  ///< Load the script again in this process.
    kLeave,   ///< Leave the request to another process.
  };

  std::string path;
  std::string resource = {};  ///< File of the request, for reload_required(); empty when it is the script.
  std::int64_t mtime_us = 0;  ///< Modification time of the script when the server looked at it, since the epoch.
  OnChange on_change = OnChange::kReload;
  /// A module that was loaded before this instant (monotonic_ns()) may ask to be loaded again, by reload_required(). A
  /// request for a module that always asks is served by a process that has loaded it since the request was sent.
  std::uint64_t ask_before_ns = UINT64_MAX;
  bool may_exit = false;             ///< Whether SystemExit ends the script without an error.
  LoadListener* listener = nullptr;  ///< Null when nobody needs to know.

  [[nodiscard]] bool reloads() const noexcept { return on_change != OnChange::kServe; }
};

}  // namespace sluice::wsgi
