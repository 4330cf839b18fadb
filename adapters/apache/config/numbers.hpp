// SPDX-License-Identifier: Apache-2.0
// Numbers of the configuration. As in mod_wsgi, a number may have any length and may be followed by text.
#pragma once

#include <cstdint>

#include "adapters/apache/server/server.hpp"

namespace sluice::apache {

/// Returns false when `text` does not begin with a number. A number beyond 64 bits becomes the closest one that fits.
/// `name` is the directive or option, for the note that is added when text follows the number.
[[nodiscard]] bool parse_number(apr_pool_t* pool, const char* name, const char* text, std::int64_t& number);

/// Adds the note about a number in `text` that ends at `end`, before the end of the text.
void note_rest(apr_pool_t* pool, const char* name, const char* text, const char* end);

/// Returns false unless the whole text is a number of seconds above 0.
[[nodiscard]] bool parse_interval(const char* text, double& seconds);

}  // namespace sluice::apache
