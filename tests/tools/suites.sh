#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# suites.sh TIER...: runs the suites of the tiers named (`short`, `test`, `deep`, ...) on what the Makefile has built, each suite under a
# title line, and names at the end those that failed, each with its failed tests. SLUICE_LONG selects the full counts.
# SLUICE_TALLY names a file that gets these names and the line `PASSED FAILED` instead of the terminal, for a caller that
# runs several tiers.
set -uo pipefail
cd "$(dirname "$0")/../.." || exit 1

passed=0
failed=0
failures=build/failures  # as text, and what passed only when it was run again
: >"$failures"
output=build/suite.log  # lines of the suite that runs
suite() {
  title=$1
  shift
  printf '\n==== %s, from %s\n' "$title" "$(date +%T)"
  if "$@" 2>&1 | tee "$output"; then
    passed=$((passed + 1))
  else
    failed=$((failed + 1))
    # The lines with which pytest and ctest name a failed test.
    { echo "failed: $title"; grep -E '^(FAILED|ERROR) |^\s+[0-9]+ - .*\(.*\)$' "$output" | cut -c 1-200 | sed 's/^\s*/  /'; } >>"$failures"
  fi
  # Tests that passed only when they ran again, whose last runs pytest lists.
  if grep -q '^PASSED ' "$output"; then
    { echo "unsteady: $title"; sed -n 's/^PASSED /  /p' "$output" | cut -c 1-200; } >>"$failures"
  fi
}

finish() {
  if [ -n "${SLUICE_TALLY:-}" ]; then
    { cat "$failures"; echo "$passed $failed"; } >>"$SLUICE_TALLY"
  else
    cat "$failures"
    printf '\n%d passed, %d failed\n' "$passed" "$failed"
  fi
  [ "$failed" = 0 ]
}

long=${SLUICE_LONG:-}
# Several processes import the tests: the first compiles them for all.
export PYTHONPATH=build/release/python PYTHONPYCACHEPREFIX=$PWD/build/pycache
unset PYTHONDONTWRITEBYTECODE
python=build/venv/bin/python
# A test against a real server may fail because of what else the machine does: it runs again, up to twice, and the last lines
# name it. Not those about counts or isolation, and not after a crash. More than four such runs in a suite, and it fails.
again="--reruns 2 --max-suite-reruns 4 --rerun-show-tracebacks --rerun-except (exit.signal|Segmentation|glibc.detected|Sanitizer|runtime.error|Fatal.Python)"
# Servers wait much of the time, so there are several, except where load is what is tested.
at_once() { [ -n "$long" ] || echo "-n $1 --dist loadscope"; }
servers="$(at_once 6) $again"
# The files whose tests hold in both modes.
daemon_tests=$(
  for name in edges environ errors events forked_copies hostile input interpreter_limit method metrics phases \
              replaced_python response response_state start_response validate; do
    echo "tests/apache/test_$name.py"
  done)

# The files about load, deaths and restarts, which take as long as all others together.
load_tests=$(
  for name in endpoint_survival daemon_supervision frameworks generations lifecycle meddling paced_responses reconciliation \
              restarts shutdown survival; do
    echo "tests/apache/test_$name.py"
  done)

# A file that waits a minute for a limit, beside the others.
waiting_tests=tests/isolation/test_held_threads.py

# The files about what threads of a process share.
threaded_tests=$(
  for name in error_logs events forked_copies input interpreters lifecycle metrics reloading response_state signals streams; do
    echo "tests/apache/test_$name.py"
  done)

# core PRESET [OPTION OF CTEST...]
core() {
  preset=$1
  shift
  suite "core, $preset build${1:+, $*}" ctest --preset "$preset" -j 4 --output-on-failure --no-tests=error "$@"
}
load=endurance:  # the tests of the core under load for long

bindings() {
  suite "bindings and harness, $("$1/bin/python" --version)" "$1/bin/python" -m pytest -n 2 tests/python
}

tier_short() {
  core release -E $load
  bindings build/venv
  suite "apache, interpreters" "$python" -m pytest $servers tests/apache/test_own_gil.py
}

tier_test() {
  core release -E $load
  suite "architecture" "$python" -m pytest tests/architecture
  suite "scripts of the Makefile" "$python" -m pytest tests/tools tests/platforms
  bindings build/venv
  suite "bench" "$python" -m pytest -n 2 --dist loadscope -m "not cross" tests/bench
  # In one run, because the last file of each run has the machine to itself.
  suite "apache, isolation, telemetry, commands, examples" "$python" -m pytest $servers -m "not machine" \
    tests/apache tests/isolation tests/telemetry tests/commands tests/examples $(printf -- '--ignore=%s ' $load_tests $waiting_tests)
  suite "apache, daemon mode" env SLUICE_MODE=daemon "$python" -m pytest $servers -m "not embedded" $daemon_tests
  suite "encoders" "$python" -m pytest tests/encoders
  suite "consumers of the C++ package" "$python" -m pytest -n 2 --dist loadscope $again -m "not slow" tests/consumers
  suite "packages" "$python" -m pytest -n 2 --dist loadscope -m "not slow and not machine" tests/packages
  suite "documentation" "$python" -m pytest $again tests/docs
}

# Real applications, in both modes.
tier_applications() { suite "applications" "$python" -m pytest tests/applications; }

# The module with each other interpreter: nearly all tests against Apache.
other_interpreter() {
  export SLUICE_MODULE="$PWD/build/module-$1/modules/mod_sluice.so"
  other=build/venv-$1/bin/python
  suite "apache, module with Python $1" "$other" -m pytest tests/apache --ignore tests/apache/test_frameworks.py
  suite "apache, module with Python $1, daemon mode" env SLUICE_MODE=daemon "$other" -m pytest -m "not embedded" tests/apache/test_own_gil.py $daemon_tests
  unset SLUICE_MODULE
}

tier_other_modules() {
  for version in $(cut -d' ' -f1 build/embeddable); do other_interpreter "$version"; done
}

# Python without a GIL: the bindings, and against Apache in both modes the tests of what threads share, then suites that
# hold with a GIL and have to hold without one, except those about waits for it.
tier_free_threaded() {
  free=build/venv-3.14t/bin/python
  suite "bindings and harness without a GIL" env PYTHONPATH=build/module-3.14t/python "$free" -m pytest -n 2 tests/python
  export SLUICE_MODULE="$PWD/build/module-3.14t/modules/mod_sluice.so"
  for mode in embedded daemon; do
    suite "apache, module without a GIL, $mode mode" env SLUICE_MODE=$mode "$free" -m pytest -n 2 tests/apache/test_free_threading.py
  done
  suite "apache, all applications without a GIL" env "SLUICE_EXTRA_CONF=WSGIFreeThreading On" "$free" -m pytest -n 2 $threaded_tests
  suite "apache, all applications without a GIL, daemon mode" env SLUICE_MODE=daemon "SLUICE_EXTRA_CONF=WSGIFreeThreading On" \
    "$free" -m pytest -n 2 -m "not embedded" -k "not the_lock" $daemon_tests
  unset SLUICE_MODULE
}

# The module under ThreadSanitizer, whose reports are in the error log. Apache, APR and Python are not compiled with it, so
# what they access themselves is left out. The MPM prefork ends a process inside its handler of SIGTERM, and Python with it,
# which is reported as a call that no handler may make.
tier_thread_sanitizer() {
  suite "apache, module under ThreadSanitizer" env "SLUICE_MODULE=$PWD/build/tsan-module/modules/mod_sluice.so" \
    "SLUICE_PRELOAD=$(c++ -print-file-name=libtsan.so)" \
    "TSAN_OPTIONS=exitcode=0 report_thread_leaks=0 report_signal_unsafe=0 die_after_fork=0 suppressions=$PWD/tests/apache/thread_sanitizer.supp" \
    "$python" -m pytest -n 2 tests/apache/test_events.py tests/apache/test_interpreters.py tests/apache/test_error_logs.py
}

# The core as code for aarch64, where the machine is none itself. Without the load for long, and without what qemu-user does
# not do: it installs no filter of system calls (barrier:, cannot wipe), lets no limit bind the memory of a process (no
# pages), and tells a thread no number of its CPU (of its CPU).
cross() {
  [ "$(uname -m)" = x86_64 ] || return 0
  suite "core, aarch64 under emulation" ctest --preset arm64 -j 2 -E "$load|barrier:|cannot wipe|no pages of its own|uses the stripe of its CPU" --output-on-failure --no-tests=error
  suite "recording path, aarch64" "$python" -m pytest -m cross tests/bench
}

# A report of a sanitizer ends the program, so it is a failure.
tier_deep() {
  core release -R $load
  core asan
  core tsan
  cross
  suite "apache, load and restarts" "$python" -m pytest $(at_once 4) $again $load_tests $waiting_tests
  suite "models" ctest --preset models -j 2 --timeout 1200 --no-tests=error
  suite "mutants" "$python" tests/mutants/run.py $([ -n "$long" ] || echo --quick)
  suite "fuzz targets" "$python" tests/fuzz/run.py --seconds $([ -n "$long" ] && echo 600 || echo 10)
  suite "mutated requests" "$python" -m pytest -s -n 0 tests/mutation
  suite "the Python package from the sources" "$python" -m pytest tests/packages/test_wheel.py
  suite "stops of the demo" env SLUICE_DEEP=1 "$python" -m pytest -s tests/examples/test_demo_stops.py
  for venv in $(cat build/venvs); do bindings "$venv"; done
}

# The commands of the README in fresh installations, each release with the steps that follow it.
platforms() {
  steps=$1
  shift
  suite "platforms, $*: $steps" python3 tests/platforms/run.py --steps "$steps" "$@"
}
tier_platforms() { platforms "$SLUICE_STEPS" $SLUICE_RELEASES; }
tier_platforms_long() {
  platforms both trixie
  platforms demo testing
}
tier_packages_long() {
  suite "consumers that build the core" "$python" -m pytest -n 2 -m slow tests/consumers
  suite "packages of other tools from the sources" "$python" -m pytest -m slow tests/packages --ignore tests/packages/test_wheel.py
  suite "packages in fresh releases" "$python" -m pytest -m machine tests/packages
  suite "the image of the example" "$python" -m pytest -m machine tests/commands
}

for tier; do "tier_$tier"; done
finish
