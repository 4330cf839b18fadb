#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# mermaid.sh VERSION: puts Mermaid, one file of JavaScript, into build/node. Nothing of the package is run or kept besides.
set -eu
cd "$(dirname "$0")/../.."
mkdir -p build/node
archive=$(cd build/node && npm pack --silent "mermaid@$1")
tar -xzf "build/node/$archive" -C build/node --strip-components=2 package/dist/mermaid.min.js
rm "build/node/$archive"
