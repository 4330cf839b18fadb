#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# need.sh PURPOSE PACKAGE...: makes sure that Debian packages are installed. Silent when they are. As root it installs
# what is missing and says so, unless others would be removed for it; otherwise it says in one line what to ask an
# administrator for, and fails. On a system without apt-get it names the packages and goes on, because what is missing
# there is told by what needs it.
set -u
purpose=$1
shift

if ! command -v apt-get >/dev/null; then
  echo "sluice: $purpose needs the equivalents of these packages of Debian: $*" >&2
  exit 0
fi

have=$(dpkg-query -W -f='${db:Status-Status} ${Package}\n' "$@" 2>/dev/null | sed -n 's/^installed //p')
missing=
for package; do
  printf '%s\n' "$have" | grep -qxF -e "$package" || missing="$missing $package"
done
[ -n "$missing" ] || exit 0

if [ "$(id -u)" -ne 0 ]; then
  echo "sluice: $purpose needs packages; ask an administrator for:" \
    "apt-get install --no-install-recommends$missing" >&2
  exit 1
fi

echo "sluice: $purpose needs packages; apt-get installs:$missing"
export DEBIAN_FRONTEND=noninteractive LC_ALL=C.UTF-8
log=build/apt.log
mkdir -p build
run() {
  apt-get -q -o DPkg::Lock::Timeout=300 "$@" >"$log" 2>&1 </dev/null && return
  tail -n 20 "$log" >&2
  removed=$(sed -n '/ will be REMOVED:$/,/^[^ ]/s/^ \+//p' "$log" | paste -sd ' ' -)
  if [ -n "$removed" ]; then
    echo "sluice: apt-get would remove these packages, and nothing was changed: $removed" >&2
    echo "sluice: if you can do without them: apt-get install --no-install-recommends$missing" >&2
    exit 1
  fi
  echo "sluice: apt-get $* failed; all it said is in $log" >&2
  exit 1
}

# Some packages bring a service. None of them is started now, nor at the next boot: the tests start their own.
policy=/usr/sbin/policy-rc.d
if [ ! -e $policy ]; then
  trap 'rm -f $policy' EXIT
  trap 'exit 1' HUP INT TERM
  printf '#!/bin/sh\nexit 101\n' >$policy
  chmod 755 $policy
fi

run update
# shellcheck disable=SC2086  # one word a package
run install -y --no-remove --no-install-recommends $missing

for service in apache2 influxdb nginx prometheus; do
  case " $missing " in
    *" $service "*)
      update-rc.d "$service" disable >/dev/null 2>&1 || true
      echo "sluice: the service $service that came along is off; 'systemctl enable --now $service' turns it on"
      ;;
  esac
done
