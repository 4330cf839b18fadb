// SPDX-License-Identifier: Apache-2.0
#include "sluice/version.hpp"

namespace sluice {

Version library_version() noexcept { return kHeaderVersion; }

}  // namespace sluice
