#include "adapters/apache/config/numbers.hpp"

#include <cmath>
#include <cstdlib>

#include "adapters/apache/config/notes.hpp"

namespace sluice::apache {

bool parse_number(apr_pool_t* pool, const char* name, const char* text, std::int64_t& number) {
  char* end = nullptr;
  number = std::strtoll(text, &end, 10);
  if (end == text) return false;
  if (*end != '\0') {
    add_note(apr_psprintf(pool, "%s is read as %" APR_INT64_T_FMT ", because only the beginning of '%s' is a number",
                          name, static_cast<apr_int64_t>(number), text));
  }
  return true;
}

bool parse_interval(const char* text, double& seconds) {
  char* end = nullptr;
  seconds = std::strtod(text, &end);
  return end != text && *end == '\0' && std::isfinite(seconds) && seconds > 0.0;
}

}  // namespace sluice::apache
