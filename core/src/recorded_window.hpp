// SPDX-License-Identifier: Apache-2.0
// Windows in which only a recorder has counted, so that the extremes tell which sums can differ from 0. What Window
// does for any counts is done here for those sums alone.
#pragma once

#include "sluice/window.hpp"

namespace sluice::inline v0_1::detail {

/// Does what Window::merge_counts() does, which has the errors.
void merge_recorded(Window& window, const Window& later);

/// Does what Window::clear_counts() does.
void clear_recorded(Window& window) noexcept;

}  // namespace sluice::inline v0_1::detail
