"""The C functions of llama.cpp, as llama-cpp-python brings them: the only file that imports it.

Written against llama-cpp-python 0.3.36 (llama.h of 2026-11). Not promised by it: that other batch
sizes give bit-equal logits.
"""

import os

from sprout.errors import EngineError

SPIN_COUNT = "3000"
"""How often an OpenMP thread of llama.cpp looks for work before it sleeps.

GCC's OpenMP spins 300,000 times. Measured on 2 cores, 8 sequences, beside one busy process: 18
tokens/s with that, 56 with this; alone 148 and 141.
"""

if "OMP_WAIT_POLICY" not in os.environ:  # nor has the user decided
    os.environ.setdefault("GOMP_SPINCOUNT", SPIN_COUNT)  # read when the library is loaded
# CUDA numbers the fastest GPU 0 otherwise, while what meters them, and nvidia-smi, count by PCI bus
os.environ.setdefault("CUDA_DEVICE_ORDER", "PCI_BUS_ID")

try:
    import llama_cpp.llama_cpp
except (AttributeError, ImportError, OSError, RuntimeError) as error:
    # not installed; a library that it needs is not here; its own is of another version
    raise EngineError(
        f"llama.cpp cannot be loaded: {' '.join(str(error).split())}: install what is missing, or "
        "build llama-cpp-python on this machine"
    ) from error

lib = llama_cpp.llama_cpp
VERSION = str(llama_cpp.__version__)
