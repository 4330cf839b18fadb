// SPDX-License-Identifier: Apache-2.0
// Facts that the MPM tells.
#pragma once

#include <ap_mpm.h>

namespace sluice::apache {

/// Returns the answer of the MPM to an AP_MPMQ_ question; 0 when it has none.
inline int ask_mpm(int what) {
  int answer = 0;
  return ap_mpm_query(what, &answer) == APR_SUCCESS ? answer : 0;
}

}  // namespace sluice::apache
