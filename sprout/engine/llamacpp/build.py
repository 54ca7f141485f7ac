"""What this build of llama.cpp can do."""

from sprout.engine.llamacpp.library import VERSION as VERSION  # noqa: PLC0414 - said of the build
from sprout.engine.llamacpp.library import lib


def has_gpu() -> bool:
    """Return whether it can put layers on a GPU: it is built for one, and sees one."""
    return bool(lib.llama_supports_gpu_offload())


def has_amx_kernels() -> bool:
    """Return whether it carries AMX kernels, which are then left unused.

    GCC's _tile_loadconfig tells the compiler of 8 of the 64 bytes it reads, so builds by GCC load a
    half-written tile configuration and die of a general protection fault (llama.cpp #20824).
    """
    return b"AMX_INT8 = 1" in (lib.llama_print_system_info() or b"")
