// SPDX-License-Identifier: Apache-2.0
// The counts of all processes of a server as text: by process group, then in total.
#pragma once

#include <span>

#include "sluice/encode/encode.hpp"
#include "sluice/encode/exposition.hpp"
#include "sluice/registry.hpp"

namespace sluice::encode {

/// \addtogroup encode
/// @{

/// Writes families `sluice_...` with the label `process_group`, then the same in total as `sluice_server_...`.
/// Histograms are written in octaves with exact bounds. Any thread; allocates nothing.
Encoded server_exposition(const ServerReading& reading, Format format, std::span<char> out) noexcept;

/// Writes the same numbers as one JSON object: `groups`, a list of objects with a `process_group`, and `total`.
/// Families have the names of the exposition without a prefix; those with a label are objects by its values. Any
/// thread; allocates nothing.
Encoded server_json(const ServerReading& reading, std::span<char> out) noexcept;

/// @}

}  // namespace sluice::encode
