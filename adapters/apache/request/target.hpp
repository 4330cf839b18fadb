// SPDX-License-Identifier: Apache-2.0
// The target of a request: its groups, its callable, SCRIPT_NAME and PATH_INFO.
#pragma once

#include <string>
#include <string_view>

#include "adapters/apache/config/config.hpp"

namespace sluice::apache {

/// The decisions of the configuration about one request. Options of its alias override those of its directory.
struct Target {
  bool aliased = false;             ///< A WSGIScriptAlias led to the file.
  bool pass_authorization = false;  ///< The application may see the Authorization field.
  std::string script_name;          ///< The part of the URL path that led to the script, without doubled slashes.
  std::string path_info;            ///< The part after it, without doubled slashes.
  std::string process_group;        ///< Empty for the server's own processes.
  std::string application_group;    ///< Empty for the main interpreter.
  const char* callable = nullptr;   ///< Name of the callable in the script.
  const char* script = nullptr;     ///< Script of a WSGIHandlerScript; null when the file of the request is the script.
};

/// Returns the name of a group, with %{...} expanded for the request. Empty for %{GLOBAL}.
[[nodiscard]] std::string group_of(const request_rec* request, std::string_view name);

/// Returns the name of a callable. %{ENV:name} stands for the value of a variable. Without the variable, and when
/// `configured` is null, the name is the default. The result lives as long as `configured` and the request.
[[nodiscard]] const char* callable_of(const request_rec* request, const char* configured);

/// Returns the WSGIHandlerScript that serves a request by the name of its handler; null when there is none.
[[nodiscard]] const Alias* find_handler_script(const request_rec* request);

/// Resolves a request whose file is known, with the names of groups expanded for the request.
/// `handler` is the WSGIHandlerScript that serves it, or null.
[[nodiscard]] Target resolve(request_rec* request, const Alias* handler);

}  // namespace sluice::apache
