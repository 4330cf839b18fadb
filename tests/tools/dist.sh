#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# dist.sh: writes the sources of the current commit to build/dist/sluice-VERSION.tar.gz, the same bytes each time.
set -eu
cd "$(dirname "$0")/../.."

if ! git rev-parse --verify --quiet HEAD >/dev/null; then
  echo "sluice: make dist makes an archive of a commit: run it in a clone of the repository" >&2
  exit 1
fi
git diff --quiet HEAD || echo "sluice: changes that are not committed are left out" >&2

name=sluice-$(tests/tools/version.sh)
archive=build/dist/$name.tar.gz
mkdir -p build/dist
# The mode of files would follow the configuration of git, and the header of gzip the clock.
git -c tar.umask=0022 archive --format=tar --prefix="$name/" HEAD | gzip -9n >"$archive.new"
mv "$archive.new" "$archive"
echo "sluice: $archive"
