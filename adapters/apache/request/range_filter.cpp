// SPDX-License-Identifier: Apache-2.0
#include "adapters/apache/request/range_filter.hpp"

#include <util_filter.h>

#include <string_view>

namespace sluice::apache {

void remove_range_filter(request_rec* request) {
  for (ap_filter_t* filter = request->output_filters; filter != nullptr; filter = filter->next) {
    if (std::string_view(filter->frec->name) != "byterange") continue;
    ap_remove_output_filter(filter);
    return;
  }
}

}  // namespace sluice::apache
