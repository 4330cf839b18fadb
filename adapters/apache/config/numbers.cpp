// SPDX-License-Identifier: Apache-2.0
#include "adapters/apache/config/numbers.hpp"

#include <cmath>
#include <cstdlib>

#include "adapters/apache/config/notes.hpp"

namespace sluice::apache {

bool parse_number(apr_pool_t* pool, const char* name, const char* text, std::int64_t& number) {
  char* end = nullptr;
  number = std::strtoll(text, &end, 10);
  if (end == text) return false;
  if (*end != '\0') note_rest(pool, name, text, end);
  return true;
}

void note_rest(apr_pool_t* pool, const char* name, const char* text, const char* end) {
  const char* const number = apr_pstrmemdup(pool, text, static_cast<apr_size_t>(end - text));
  add_note(apr_pstrcat(pool, name, " is read as ", number, ", because only the beginning of '", text, "' is a number",
                       nullptr));
}

bool parse_interval(const char* text, double& seconds) {
  char* end = nullptr;
  seconds = std::strtod(text, &end);
  return end != text && *end == '\0' && std::isfinite(seconds) && seconds > 0.0;
}

}  // namespace sluice::apache
