# SPDX-License-Identifier: Apache-2.0
# One command for each thing that a user or a developer does. Everything made stands under build/.

PYTHON        ?= /usr/bin/python3
pyenv          = $(or $(PYENV_ROOT),$(HOME)/.pyenv)
EXTRA_PYTHONS ?= $(foreach v,3.11 3.12 3.13 3.14 3.15,python$v $(wildcard /usr/bin/python$v $(pyenv)/versions/*/bin/python$v))
PREFIX        ?= /usr/local
DEMO_ARGS     ?=
TELEMETRY     ?=
DESTDIR       ?=
SUITES        ?= trixie testing
STEPS         ?= both
WERROR        ?=

build_packages := build-essential g++ cmake ninja-build pkg-config python3 python3-dev python3-venv \
                  apache2 apache2-dev libabsl-dev
endpoint_packages := libmicrohttpd-dev libcurl4-openssl-dev
test_packages  := $(build_packages) $(endpoint_packages) catch2 curl influxdb prometheus wrk prometheus-cpp-dev valgrind clang \
                  libcpp-httplib-dev libboost-dev libgrpc++-dev libprotobuf-dev protobuf-compiler-grpc strace openssl lintian rpm cpio nginx \
                  $(if $(shell command -v npm),,nodejs npm)
deep_packages  := $(build_packages) $(endpoint_packages) catch2 curl relacy-dev spin clang openssl git
# The core for aarch64, where the machine is none itself.
cross          := $(if $(filter x86_64,$(shell uname -m)),compile-arm64)
cross_packages := g++-aarch64-linux-gnu qemu-user
long_packages  := $(test_packages) chromium iproute2
# Packages that Python is built from.
python_packages := $(build_packages) libbz2-dev libffi-dev liblzma-dev libsqlite3-dev libssl-dev zlib1g-dev
bench_packages := $(build_packages) libbenchmark-dev prometheus-cpp-dev wrk strace
lint_packages  := $(build_packages) $(endpoint_packages) catch2 clang clang-format clang-tidy
cpack_packages := $(build_packages) $(endpoint_packages) dpkg-dev rpm
docs_packages  := $(build_packages) doxygen $(if $(shell command -v npm),,nodejs npm)
docs_tools     := build/venv/docs.stamp build/node/mermaid.min.js

# A cache of the compiler, where there is one; precompiled headers need these.
launcher := $(if $(shell command -v ccache),-DCMAKE_CXX_COMPILER_LAUNCHER=ccache)
export CCACHE_SLOPPINESS ?= pch_defines,time_macros
export CCACHE_BASEDIR ?= $(CURDIR)
export CCACHE_NOHASHDIR ?= 1

presets := release dev asan tsan tsan-module bench models fuzz arm64
venv    := build/venv/bin/python
apxs     = $(shell apxs -q $(1))
sources  = $(shell find core bindings adapters bench tests examples -name '*.[ch]pp' -o -name '*.[ch]')
# The packages of a requirement file, on one line.
asked    = $$(sed '/^\#/d; /^$$/d' $(1) | paste -sd ' ')
# The packages of tests/requirements.txt that the suites of other interpreters import.
other_suites_need := pytest pytest-timeout pytest-xdist pytest-rerunfailures prometheus-client

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.NOTPARALLEL:
.PHONY: help demo build test test-short test-deep test-long test-platforms bench install clean lint docs force \
        packages wheel dist need-build need-test need-short need-deep need-long need-platforms need-bench need-lint need-docs \
        need-cross need-packages compile-modules $(presets:%=compile-%) \
        compile-tests compile-others need-python compile-free-threaded

help:
	@echo 'make demo       serve a Python application through Apache and watch its metrics;'
	@echo '                with TELEMETRY=1 in the pages of a telemetry service'
	@echo 'make build      build the Apache module, the Python package and the C++ package'
	@echo 'make test       build, and run the suites of each part (12 to 22 minutes on 2 cores)'
	@echo 'make test-deep  sanitizers, models, mutants, fuzzers and mutated requests, the other'
	@echo '                interpreters; load, deaths and restarts (about 30 minutes)'
	@echo 'make test-long  the suites of both with the full counts and longer runs under load'
	@echo 'make test-platforms  the demo and make test in fresh installations of Debian releases,'
	@echo '                as root: SUITES="$(SUITES)", STEPS=$(STEPS) (demo, test, both,'
	@echo '                short: the demo and make test-short)'
	@echo 'make test-short the suites of the core, the bindings and the harness, and Apache'
	@echo '                with interpreters that have a GIL of their own, from Python 3.12 on'
	@echo 'make bench      measure, print a table, write build/bench/report.json'
	@echo 'make install    install the Apache module and the C++ package as they are built (PREFIX,'
	@echo '                DESTDIR)'
	@echo 'make packages   make packages of Debian, and an RPM of the module, in build/packages'
	@echo 'make wheel      make a wheel of the Python package, in build/wheel'
	@echo 'make dist       make a source archive of the current commit, in build/dist'
	@echo 'make lint       check format, names and common mistakes'
	@echo 'make docs       build the documentation as a site, in build/docs'
	@echo 'make clean      remove build/'
	@echo
	@echo 'Each installs what it needs first (Debian or Ubuntu packages when run by root, Python'
	@echo 'packages under build/) and says so. Variables, with the values they have now:'
	@echo '  PYTHON=$(PYTHON)  the interpreter that the module embeds'
	@echo '  EXTRA_PYTHONS="$(strip $(EXTRA_PYTHONS))"  others to build for and test with, where they work'
	@echo '  PREFIX=$(PREFIX)  DESTDIR=$(DESTDIR)  DEMO_ARGS=$(DEMO_ARGS)  TELEMETRY=$(TELEMETRY)'
	@echo '  WERROR=$(WERROR)  ON makes warnings of the compiler errors, as the presets of developers do'

build: need-build compile-release

demo: build $(if $(TELEMETRY),build/venv/test.stamp)
	$(PYTHON) examples/demo/demo.py --module build/release/modules/mod_sluice.so \
	  $(if $(TELEMETRY),--telemetry build/venv/bin/mod_wsgi-telemetry) $(DEMO_ARGS)

test: need-test need-docs compile-tests build/venv/test.stamp build/node/statsd.stamp $(docs_tools)
	@tests/tools/suites.sh test

test-short: need-short compile-tests build/venv/test.stamp
	@tests/tools/suites.sh short

test-deep: need-deep compile-tests compile-others compile-asan compile-tsan compile-models compile-fuzz $(cross) \
           build/venv/test.stamp build/venv/packages.stamp build/venvs
	@tests/tools/suites.sh deep

test-long: export SLUICE_LONG = 1
test-long: export SLUICE_SOAK_SECONDS ?= 60
test-long: need-long need-deep need-docs need-platforms compile-tests compile-others compile-asan compile-tsan compile-models compile-fuzz compile-modules \
           compile-free-threaded compile-tsan-module $(cross) build/venv/test.stamp build/venv/packages.stamp build/applications.stamp \
           build/venvs build/node/statsd.stamp $(docs_tools)
	@tests/tools/suites.sh test applications deep other_modules free_threaded thread_sanitizer platforms_long packages_long

test-platforms: export SLUICE_RELEASES = $(SUITES)
test-platforms: export SLUICE_STEPS = $(STEPS)
test-platforms: need-platforms
	@tests/tools/suites.sh platforms

bench: need-bench compile-release compile-bench
	$(venv) bench/report.py

lint: need-lint build/venv/lint.stamp
	clang-format --dry-run -Werror $(sources)
	$(venv) -m ruff check .
	@cmake --preset dev -B build/lint $(told) -DSLUICE_EXTRA_PYTHONS= -DCMAKE_EXPORT_COMPILE_COMMANDS=ON \
	  -DCMAKE_C_COMPILER=clang -DCMAKE_CXX_COMPILER=clang++ >build/lint.log
	run-clang-tidy -quiet -p build/lint

# Installs the module that is built, for whichever interpreter: the administrator who installs may have other variables and tools.
install: $(if $(wildcard build/release/modules/mod_sluice.so),,build)
	@tests/tools/install.sh '$(call apxs,LIBEXECDIR)' '$(PREFIX)' '$(DESTDIR)'

packages: need-packages compile-release
	@tests/tools/packages.sh

wheel: need-build build/venv/packages.stamp
	@tests/tools/wheel.sh

dist:
	@tests/tools/dist.sh

docs: need-docs $(docs_tools)
	@docs/site/build.sh

clean:
	rm -rf build

# Packages of the system: one query when nothing is missing.

need-build: ; @tests/tools/need.sh 'make build' $(build_packages)
need-test:  ; @tests/tools/need.sh 'make test' $(test_packages)
# The runtimes of clang's sanitizers and of libFuzzer are in a package that is named by the version of clang.
need-deep:
	@tests/tools/need.sh 'make test-deep' $(deep_packages)
	@tests/tools/need.sh 'make test-deep' libclang-rt-$$(clang -dumpversion | cut -d. -f1)-dev
need-cross: ; @tests/tools/need.sh 'make compile-arm64' $(cross_packages)
need-short: ; @tests/tools/need.sh 'make test-short' $(build_packages) catch2
need-platforms: ; @tests/platforms/run.py
need-long:  ; @tests/tools/need.sh 'make test-long' $(long_packages)
need-python: ; @tests/tools/need.sh 'make test-long' $(python_packages)
need-bench: ; @tests/tools/need.sh 'make bench' $(bench_packages)
need-lint:  ; @tests/tools/need.sh 'make lint' $(lint_packages)
need-docs:  ; @tests/tools/need.sh 'make docs' $(docs_packages)
need-packages: ; @tests/tools/need.sh 'make packages' $(cpack_packages)

# Interpreters: the one embedded first. Rewritten only when they change, and all below follows.

build/pythons: force | need-build
	@mkdir -p build
	@tests/tools/pythons.sh '$(PYTHON)' $(EXTRA_PYTHONS) >$@.new
	@cmp -s $@.new $@ && rm $@.new || mv $@.new $@

# The compilers that the environment asks for, CMake's own choice where it asks for none.
build/compilers: force
	@mkdir -p build
	@echo "$${CC:-} $${CXX:-}" >$@.new
	@cmp -s $@.new $@ && rm $@.new || mv $@.new $@

# The packages that a configuration looks for, as far as they are there.
build/installed: force | need-build
	@mkdir -p build
	@dpkg-query -W -f '$${db:Status-Abbrev} $${Package} $${Version}\n' $(sort $(build_packages) $(endpoint_packages) \
	  catch2 libbenchmark-dev prometheus-cpp-dev) >$@.new 2>/dev/null || true
	@cmp -s $@.new $@ && rm $@.new || mv $@.new $@

# One environment with the packages of Python of each purpose; a stamp says that those of its file are installed.

define pip_install
@echo "sluice: build/venv: pip installs $(call asked,$(1))"
@$(venv) -m pip install --quiet -r $(1)
@touch $@
endef

build/venv/build.stamp: bindings/requirements.txt build/pythons
	@$$(head -n 1 build/pythons) -m venv --clear build/venv
	$(call pip_install,$<)

build/venv/test.stamp:     tests/requirements.txt
build/venv/packages.stamp: tests/packages/requirements.txt
build/venv/lint.stamp:     tests/tools/requirements.txt
build/venv/docs.stamp:     docs/requirements.txt
$(patsubst %,build/venv/%.stamp,test packages lint docs): build/venv/build.stamp
	$(call pip_install,$(filter %.txt,$^))

# Applications that are served in tests; the tests themselves run in the environment above.
build/applications.stamp: tests/applications/requirements.txt build/venv/build.stamp
	@echo "sluice: build/applications: pip installs $(call asked,$<)"
	@$$(head -n 1 build/pythons) -m venv --clear build/applications
	@build/applications/bin/python -m pip install --quiet -r $<
	@touch $@

# The other interpreters that a module for tests can embed, each with its version.
build/embeddable: tests/tools/embeddable.sh build/pythons
	@tests/tools/embeddable.sh $$(sed 1d build/pythons) >$@

# A virtual environment for each other interpreter; the file lists them.
build/venvs: tests/requirements.txt build/pythons build/embeddable
	@: >$@; for python in $$(sed 1d build/pythons); do \
	  version=$$($$python -c 'import sys; print("%d.%d" % sys.version_info[:2])'); \
	  venv=build/venv-$$version; \
	  embeddable=$$(sed -n "s/^$$version //p" build/embeddable); \
	  python=$${embeddable:-$$python}; \
	  echo "sluice: $$venv: pip installs $(other_suites_need)"; \
	  $$python -m venv --clear $$venv && \
	  $$venv/bin/python -m pip install --quiet -c $< $(other_suites_need) && \
	  echo $$venv >>$@ || exit 1; \
	done

# The daemon that StatsD packets are sent to. It needs nothing compiled.
build/node/statsd.stamp: tests/encoders/package.json | need-test
	@echo 'sluice: build/node: npm installs statsd'
	@mkdir -p build/node
	@cp $< build/node/
	@npm install --prefix build/node --ignore-scripts --no-audit --no-fund --omit=optional >build/npm.log 2>&1 || \
	  { tail -n 20 build/npm.log >&2; exit 1; }
	@touch $@

# The program that draws diagrams in the documentation.
build/node/mermaid.min.js: docs/site/mermaid.sh | need-docs
	@echo 'sluice: build/node: npm brings mermaid'
	@docs/site/mermaid.sh 11.17.2
	@touch $@

# CMake notices changes of its own files; a new configuration is due when what it is told changes, or what it may find.

# The folder of libraries on Debian; elsewhere CMake knows it.
multiarch = $(shell dpkg-architecture -qDEB_HOST_MULTIARCH 2>/dev/null)

told = -DSLUICE_PYTHON="$$(head -n 1 build/pythons)" $(launcher) \
       $(addprefix -DCMAKE_INSTALL_LIBDIR=lib/,$(multiarch)) \
       $(if $(WERROR),-DCMAKE_COMPILE_WARNING_AS_ERROR=$(WERROR)) \
       -DSLUICE_EXTRA_PYTHONS="$$(sed 1d build/pythons | paste -sd ';')" \
       -DSLUICE_PYBIND11_INCLUDE="$$($(venv) -c 'import pybind11; print(pybind11.get_include())')"

$(presets:%=build/%/configured.stamp): build/%/configured.stamp: Makefile CMakePresets.json build/compilers build/installed build/venv/build.stamp
	@echo 'sluice: configuring $*'
	@cmake --preset $* --fresh $(told)
	@touch $@

$(presets:%=compile-%): compile-%: build/%/configured.stamp
	cmake --build --preset $*

build/arm64-packages/stamp: tests/tools/arm64_packages.sh | need-cross
	@tests/tools/arm64_packages.sh libabsl-dev catch2
	@touch $@

build/arm64/configured.stamp: tests/tools/aarch64.cmake build/arm64-packages/stamp

# The tests of the release build, once Catch2 is there, and the package for the other interpreters.
build/release/tests.stamp: build/release/configured.stamp
	@cmake --preset release -DSLUICE_BUILD_TESTS=ON
	@touch $@

compile-tests: build/release/tests.stamp
	cmake --build --preset tests

compile-others: build/release/configured.stamp
	cmake --build --preset others

compile-modules: build/embeddable build/venv/build.stamp
	@tests/tools/modules.sh $(told)

# Python without a GIL, built here because no package has it; then the module and the package for it.
build/free-threaded.stamp: tests/tools/free_threaded.sh | need-python
	@tests/tools/free_threaded.sh
	@touch $@

build/venv-3.14t/test.stamp: tests/requirements.txt build/free-threaded.stamp
	@echo "sluice: build/venv-3.14t: pip installs $(other_suites_need)"
	@build/free-threaded/python/bin/python3.14t -m venv --clear build/venv-3.14t
	@build/venv-3.14t/bin/python -m pip install --quiet -c $< $(other_suites_need)
	@touch $@

build/module-3.14t/configured.stamp: Makefile CMakePresets.json build/compilers build/installed build/venv/build.stamp build/free-threaded.stamp
	@echo 'sluice: configuring build/module-3.14t'
	@cmake --preset release --fresh -B build/module-3.14t $(told) -DSLUICE_EXTRA_PYTHONS= -DSLUICE_BUILD_TESTS=OFF \
	  -DSLUICE_PYTHON="$(CURDIR)/build/free-threaded/python/bin/python3.14t" -DCMAKE_CXX_FLAGS_RELWITHDEBINFO="-O1 -DNDEBUG"
	@touch $@

compile-free-threaded: build/module-3.14t/configured.stamp build/venv-3.14t/test.stamp
	cmake --build build/module-3.14t
