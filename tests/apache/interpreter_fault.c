// SPDX-License-Identifier: Apache-2.0
// Preloaded into a server: the first C++ allocation after a process has made its first additional Python interpreter,
// by the thread that made it, fails with std::bad_alloc.
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdlib.h>

typedef struct {
  int kind;
  const char* function;
  const char* message;
  int code;
} Status;

static _Thread_local int next_fails;

static void fail_after_first(void) {
  static atomic_int made;
  if (atomic_fetch_add(&made, 1) == 0) next_fails = 1;
}

void* Py_NewInterpreter(void) {
  void* (*next)(void) = dlsym(RTLD_NEXT, "Py_NewInterpreter");
  void* state = next();
  fail_after_first();
  return state;
}

Status Py_NewInterpreterFromConfig(void** state, const void* config) {
  Status (*next)(void**, const void*) = dlsym(RTLD_NEXT, "Py_NewInterpreterFromConfig");
  const Status status = next(state, config);
  fail_after_first();
  return status;
}

// C++'s operator new(size_t).
void* _Znwm(size_t size) {
  if (next_fails) {
    next_fails = 0;
    void (*throw_bad_alloc)(void) = dlsym(RTLD_DEFAULT, "_ZSt17__throw_bad_allocv");
    throw_bad_alloc();
  }
  void* memory = malloc(size == 0 ? 1 : size);
  if (memory == NULL) abort();
  return memory;
}
