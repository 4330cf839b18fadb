#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# free_threaded.sh: builds Python without a GIL, in build/free-threaded/python, from the sources in Debian's source package
# of it. Takes them from where the machine takes its packages, by a state of apt of its own: nothing of the system changes,
# and root is not needed. A Python that is there already stays, unless the version named here is another one.
set -eu
cd "$(dirname "$0")/../.."
folder=$PWD/build/free-threaded
python=$folder/python

# The version that is built where the mirror has it; Debian's index may name a newer one than the mirror keeps files of.
version=3.14.7
sha256=3b48dac8fb59f62eaa67ac83c1eb12bda1b7a08406dd286e252c11a66be27f81
suite=testing

if [ "$(cat "$python/version" 2>/dev/null)" = "$version" ] && "$python/bin/python3.14t" -c pass; then
  exit 0
fi

echo "sluice: build/free-threaded: builds Python without a GIL (about five minutes on 2 cores)"
rm -rf "$folder"
mkdir -p "$folder/lists/partial" "$folder/cache/archives/partial" "$folder/source" "$folder/build"
: >"$folder/status"
log=$folder.log
: >"$log"
run() {
  "$@" >>"$log" 2>&1 </dev/null && return
  tail -n 20 "$log" >&2
  echo "sluice: $* failed; all it said is in $log" >&2
  exit 1
}

# The mirror of the machine's own release has the other releases, and their sources, as well.
mirror=$(apt-get indextargets --format '$(REPO_URI) $(CODENAME)' 'Created-By: Packages' 'Origin: Debian' |
  sed -n 's/ [^ -]*$//p' | head -n 1)
if [ -z "$mirror" ]; then
  echo "sluice: apt has no index of a Debian mirror here; apt-get update may bring it" >&2
  exit 1
fi

# The sources as they were released: Debian's patches move the folders of an installation.
package=python3.14
archive=$folder/source/python.orig.tar.xz
url=${mirror%/}/pool/main/p/$package/${package}_$version.orig.tar.xz
if ! /usr/lib/apt/apt-helper -o "APT::Sandbox::User=$(id -un)" download-file "$url" "$archive" "SHA256:$sha256" \
  >>"$log" 2>&1; then
  keys=$(find /usr/share/keyrings -name 'debian-archive-*.gpg' ! -name '*removed*' | sort | paste -sd ,)
  echo "deb-src [signed-by=$keys] $mirror $suite main" >"$folder/sources.list"
  cat >"$folder/apt.conf" <<END
Dir::State "$folder";
Dir::State::status "$folder/status";
Dir::Cache "$folder/cache";
Dir::Etc::sourcelist "$folder/sources.list";
Dir::Etc::sourceparts "-";
APT::Sandbox::User "$(id -un)";
Acquire::Languages "none";
END
  export APT_CONFIG="$folder/apt.conf"
  run apt-get -q update
  cd "$folder/source"
  run apt-get -q source --download-only "$package"
  archive=$(find "$folder/source" -name '*.orig.tar.*' | head -n 1)
fi

cd "$folder/build"
run tar -xf "$archive" -C ../source --strip-components 1
compiler=$(command -v ccache >/dev/null && echo "ccache gcc" || echo gcc)
run ../source/configure --prefix="$python" --disable-gil --enable-shared --disable-test-modules \
  --with-ensurepip=install CC="$compiler" LDFLAGS="-Wl,-rpath,$python/lib"
run make -j "$(nproc)"
run make install
echo "$version" >"$python/version"
rm -rf "$folder/source" "$folder/build" "$folder/lists" "$folder/cache"
