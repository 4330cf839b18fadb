#!/bin/sh
# suites.sh: runs every suite on what `make test` has built, each under a title line, and stops at the first that fails.
set -u
cd "$(dirname "$0")/../.." || exit 1

passed=0
suite() {
  title=$1
  shift
  printf '\n==== %s, from %s\n' "$title" "$(date +%T)"
  if ! "$@"; then
    printf '\nfailed: %s\n%d passed, 1 failed\n' "$title" "$passed"
    exit 1
  fi
  passed=$((passed + 1))
}

# The core under each build. Sanitizers stop at the first report, so a report is a failure.
for preset in release asan tsan; do
  suite "core, $preset build" ctest --preset "$preset" -j 2 --output-on-failure --no-tests=error
done

suite "models" ctest --preset models -j 2 --timeout 1200 --no-tests=error
suite "mutants" build/venv/bin/python tests/mutants/run.py $([ -n "${SLUICE_LONG:-}" ] || echo --quick)

export PYTHONPATH=build/release/python PYTHONDONTWRITEBYTECODE=1
python=build/venv/bin/python
suite "rooms" "$python" -m pytest tests/rooms
for venv in build/venv $(cat build/venvs); do
  suite "bindings and harness, $("$venv/bin/python" --version)" "$venv/bin/python" -m pytest -n 2 tests/python
done
suite "bench" "$python" -m pytest -n 2 --dist loadscope tests/bench
# Servers mostly wait: three at a time, but where load is what is tested.
at_once=$([ -n "${SLUICE_LONG:-}" ] || echo "-n 3 --dist loadscope")
suite "apache" "$python" -m pytest $at_once tests/apache
# Those that say nothing of a mode.
daemon_tests=$(
  for name in edges environ errors events forked_copies hostile input interpreter_limit method metrics phases \
              replaced_python response response_state start_response validate; do
    echo "tests/apache/test_$name.py"
  done)
suite "apache, daemon mode" env SLUICE_MODE=daemon "$python" -m pytest $at_once -m "not embedded" $daemon_tests

# The module once more with other interpreters: some of its tests, or all when there is time.
others() {
  embedded="tests/apache/test_own_gil.py"
  daemon="tests/apache/test_own_gil.py -k at_once"
  if [ -n "${SLUICE_LONG:-}" ]; then
    embedded="tests/apache --ignore tests/apache/test_frameworks.py"
    daemon="tests/apache/test_own_gil.py $daemon_tests"
  fi
  export SLUICE_MODULE="$PWD/build/module-$1/modules/mod_sluice.so"
  python=build/venv-$1/bin/python
  suite "apache, module with Python $1" "$python" -m pytest $embedded
  suite "apache, module with Python $1, daemon mode" env SLUICE_MODE=daemon "$python" -m pytest -m "not embedded" $daemon
  unset SLUICE_MODULE
  python=build/venv/bin/python
}
for version in $(cut -d' ' -f1 build/embeddable); do others "$version"; done

suite "telemetry" "$python" -m pytest tests/telemetry
suite "encoders" "$python" -m pytest tests/encoders
suite "package" "$python" -m pytest -n 2 tests/package
suite "examples" "$python" -m pytest tests/examples

printf '\n%d passed, 0 failed\n' "$passed"
