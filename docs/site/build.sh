#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# build.sh [OUTPUT]: builds the documentation as a site, in build/docs unless told otherwise. Doxygen reads the public
# headers, Sphinx makes the pages. Any warning of either is an error. PYTHON names the interpreter that has Sphinx.
set -eu
cd "$(dirname "$0")/../.."
output=${1:-build/docs}
python=${PYTHON:-build/venv/bin/python}
work=$output.work
rm -rf "$output" "$work"  # pages and XML of files that are gone, too
mkdir -p "$work"

{ cat docs/site/Doxyfile; echo "OUTPUT_DIRECTORY = $work"; } | doxygen -

"$python" docs/site/prepare_xml.py "$work/xml"

SLUICE_DOXYGEN_XML=$(realpath "$work/xml") "$python" -m sphinx -b html -q -n -W --keep-going -j auto \
  -c docs/site -d "$work/doctrees" . "$output"
