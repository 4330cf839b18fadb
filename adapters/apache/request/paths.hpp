// The mapping of URLs to scripts, and the names that follow from it: SCRIPT_NAME, PATH_INFO and the groups.
#pragma once

#include <string>

#include "adapters/apache/config/config.hpp"

namespace sluice::apache {

/// The hook translate_name: WSGIScriptAlias and WSGIScriptAliasMatch.
int translate_alias(request_rec* request);

/// Returns the alias that led to the file of a request; null when another module mapped it.
[[nodiscard]] const Alias* matched_alias(const request_rec* request);

/// Returns SCRIPT_NAME: the part of the URL path that led to the script, without doubled slashes.
[[nodiscard]] std::string script_name(const request_rec* request);

/// Returns PATH_INFO: the part after it, without doubled slashes.
[[nodiscard]] std::string path_info(const request_rec* request);

/// Returns the application group for a request. A null `configured` stands for %{RESOURCE}.
[[nodiscard]] std::string application_group(request_rec* request, const char* configured);

/// Returns the name of a group, with %{...} expanded for the request. Empty for %{GLOBAL}.
[[nodiscard]] std::string expand_group(request_rec* request, std::string_view name);

}  // namespace sluice::apache
