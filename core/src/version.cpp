// SPDX-License-Identifier: Apache-2.0
#include "sluice/version.hpp"

namespace sluice::inline v0_1 {

Version library_version() noexcept { return kHeaderVersion; }

}  // namespace sluice
