#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# version.sh: prints the version of the project, which its top-level CMakeLists.txt states.
set -eu
cd "$(dirname "$0")/../.."
sed -n 's/^project(sluice VERSION \([0-9.]*\).*/\1/p' CMakeLists.txt
