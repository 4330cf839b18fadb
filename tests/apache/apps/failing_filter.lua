-- SPDX-License-Identifier: Apache-2.0
-- An output filter that fails on the third block.

function output_filter(r)
  coroutine.yield()
  local blocks = 0
  while bucket do
    blocks = blocks + 1
    if blocks == 3 then error("the filter fails") end
    coroutine.yield(bucket)
  end
end
