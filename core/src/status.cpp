// SPDX-License-Identifier: Apache-2.0
#include "sluice/status.hpp"

#include <stdexcept>
#include <string>

namespace sluice::inline v0_1::detail {

void throw_status(const Status& status) { throw std::runtime_error(std::string(status.message())); }

}  // namespace sluice::detail
