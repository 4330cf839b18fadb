// What the processes of a server have counted, as text: by process group, then in total.
#pragma once

#include <span>

#include "sluice/encode/encode.hpp"
#include "sluice/encode/exposition.hpp"
#include "sluice/registry.hpp"

namespace sluice::encode {

/// Families `sluice_...` with the label `process_group`, then the same in total as `sluice_server_...`. Histograms in
/// octaves, with exact bounds. Any thread. Allocates nothing.
Encoded server_exposition(const ServerReading& reading, Format format, std::span<char> out) noexcept;

/// The same numbers as one object of JSON: `groups`, a list of objects with a `process_group`, and `total`. Families
/// are named as in the exposition, without prefix; those with a label are objects by its values. Any thread. Allocates
/// nothing.
Encoded server_json(const ServerReading& reading, std::span<char> out) noexcept;

}  // namespace sluice::encode
