// The target of a request: its groups, its callable, SCRIPT_NAME and PATH_INFO.
#pragma once

#include <string>

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
};

/// Resolves a request whose file is known, with the names of groups expanded for the request.
[[nodiscard]] Target resolve(request_rec* request);

}  // namespace sluice::apache
