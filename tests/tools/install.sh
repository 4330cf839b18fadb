#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# install.sh LIBEXECDIR PREFIX DESTDIR: installs what `make build` has built, and says what went where.
set -eu
umask 022
libexecdir=$1
prefix=$2
destdir=$3

if [ -z "$libexecdir" ]; then
  echo "sluice: make install needs apxs to know where Apache has its modules: install apache2-dev (Debian) or httpd-devel (RHEL)" >&2
  exit 1
fi

# The layout of Debian or that of RHEL, as it is below DESTDIR or else on this machine.
for apache in "$destdir/etc/apache2" "$destdir/etc/httpd/conf.modules.d" /etc/apache2 /etc/httpd/conf.modules.d; do
  if [ -d "$apache" ]; then break; fi
done
case $apache in
  */conf.modules.d)
    load=/etc/httpd/conf.modules.d/10-sluice.conf
    template=adapters/packaging/apache/10-sluice.conf
    next="restart httpd"
    other=/etc/httpd/conf.modules.d/10-wsgi-python3.conf
    remedy="dnf remove python3-mod_wsgi"
    ;;
  *)
    load=/etc/apache2/mods-available/sluice.load
    template=adapters/packaging/apache/sluice.load.in
    next="a2enmod sluice, then restart Apache"
    other=/etc/apache2/mods-enabled/wsgi.load
    remedy="a2dismod wsgi"
    ;;
esac

if [ "$(id -u)" -ne 0 ] && [ -z "$destdir" ]; then
  echo "sluice: make install writes to $libexecdir, ${load%/*} and $prefix: run it as root, or set DESTDIR" >&2
  exit 1
fi

module=$libexecdir/mod_sluice.so
install -D -m 644 build/release/modules/mod_sluice.so "$destdir$module"
mkdir -p "$destdir${load%/*}"
sed "s,[^ ]*/mod_sluice\.so,$module," $template >"$destdir$load"
DESTDIR=$destdir cmake --install build/release --prefix "$prefix" >build/install.log

echo "sluice: installed
  Apache module  $destdir$module
  to load it     $destdir$load
  C++ package    $destdir$prefix (files listed in build/install.log)
next: $next"

if [ -e "$destdir$other" ]; then
  echo "sluice: warning: mod_wsgi is enabled here and cannot be loaded beside Sluice: $remedy first" >&2
fi
