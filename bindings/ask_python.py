"""Tells CMake what it has to know of the interpreter that runs this, a line a fact."""

import os
import sysconfig

variable = sysconfig.get_config_var
library = variable("INSTSONAME") or variable("LDLIBRARY") or ""
directories = [variable("LIBDIR") or "", os.path.join(sysconfig.get_config_var("prefix"), "lib")]
shared = [os.path.join(directory, library) for directory in directories if variable("Py_ENABLE_SHARED")]

print(f"version={sysconfig.get_python_version()}")
print(f"include={sysconfig.get_path('include')}")
print(f"suffix={variable('EXT_SUFFIX')}")
print(f"free_threaded={variable('Py_GIL_DISABLED') or ''}")
print(f"library={next(filter(os.path.exists, shared), '')}")
