#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# install.sh LIBEXECDIR PREFIX DESTDIR: installs what `make build` has built, and says what went where.
set -eu
libexecdir=$1
prefix=$2
destdir=$3
apache=/etc/apache2

if [ "$(id -u)" -ne 0 ] && [ -z "$destdir" ]; then
  echo "sluice: make install writes to $libexecdir, $apache and $prefix: run it as root, or set DESTDIR" >&2
  exit 1
fi

module=$libexecdir/mod_sluice.so
load=$apache/mods-available/sluice.load
install -D -m 644 build/release/modules/mod_sluice.so "$destdir$module"
mkdir -p "$destdir$apache/mods-available"
sed "s,@SLUICE_APACHE_MODULES@,$libexecdir," adapters/packaging/apache/sluice.load.in >"$destdir$load"
DESTDIR=$destdir cmake --install build/release --prefix "$prefix" >build/install.log

echo "sluice: installed
  Apache module  $destdir$module
  to load it     $destdir$load
  C++ package    $destdir$prefix (files listed in build/install.log)
next: a2enmod sluice, then restart Apache"

if [ -e "$destdir$apache/mods-enabled/wsgi.load" ]; then
  echo "sluice: warning: mod_wsgi is enabled here and cannot be loaded beside Sluice: a2dismod wsgi first" >&2
fi
