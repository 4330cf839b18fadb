// SPDX-License-Identifier: Apache-2.0
// The counts of all processes of a server as text: by process group, then in total.
#pragma once

#include <span>
#include <string>
#include <string_view>

#include "sluice/encode/encode.hpp"
#include "sluice/encode/exposition.hpp"
#include "sluice/registry.hpp"

namespace sluice::inline v0_1::encode {

/// \addtogroup encode_api
/// @{

/// Writes families `sluice_...` with the label `process_group`, then the same in total as `sluice_server_...`.
/// Histograms are written in octaves with exact bounds. Any thread; allocates nothing.
Encoded server_exposition(const ServerReading& reading, Format format, std::span<char> out) noexcept;

/// Writes the same numbers as one JSON object: `version` of this library, `start_time` of the counts, `groups`, a list
/// of objects with a `process_group`, and `total`. Families have the names of the exposition without a prefix; those
/// with a label are objects by its values. Each group has `process_list`, a list of its live processes. `members` is
/// JSON that is put at the end of the object, such as `,"a":1`. Any thread; allocates nothing.
Encoded server_json(const ServerReading& reading, std::span<char> out, std::string_view members = {}) noexcept;

/// Returns a text as a JSON string with its quotes. U+FFFD replaces what is not UTF-8. \throws std::bad_alloc
[[nodiscard]] std::string json_text(std::string_view text);

/// @}

}  // namespace sluice::encode
