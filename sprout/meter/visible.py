"""Which GPUs an engine uses, by UUID.

`CUDA_VISIBLE_DEVICES` is a list of indices or UUIDs, where the first digits of a UUID are enough.
CUDA stops reading it at the first entry that names no GPU ("0,-1,1" shows GPU 0 only).

An index is taken in PCI order, as CUDA does under `CUDA_DEVICE_ORDER=PCI_BUS_ID`, which
`sprout.engine.llamacpp.library` sets. Who sets another order on a machine with GPUs of several
models has to write UUIDs, which are never ambiguous.
"""

from collections.abc import Iterator

from sprout.meter.fault import CounterMissingError


def choose_gpus(
    present: tuple[str, ...], wanted: tuple[str, ...], cuda_visible: str | None
) -> tuple[str, ...]:
    """Return the UUIDs of the GPUs to meter, each once.

    Args:
        present: UUIDs of the machine's GPUs, in PCI order.
        wanted: UUIDs, or beginnings of them; when empty, `cuda_visible` decides.
        cuda_visible: the value of `CUDA_VISIBLE_DEVICES`; None, not set, shows all GPUs.

    Raises:
        CounterMissingError: a wanted GPU is not there, none is left, one is a MIG instance, or
            fewer are wanted than are visible: llama.cpp spreads a model over all that it sees.
    """
    if not present:
        raise CounterMissingError("NVML sees no GPU", "check that `nvidia-smi -L` lists one")
    visible = present if cuda_visible is None else tuple(_visible(cuda_visible, present))
    chosen = {_wanted(name, present): None for name in wanted} or dict.fromkeys(visible)
    if not chosen:
        detail = f"CUDA_VISIBLE_DEVICES={cuda_visible!r} shows none of the {len(present)} GPUs"
        raise CounterMissingError(detail, f"name one of {', '.join(present)}, or run on the CPU")
    if len(chosen) < len(set(visible)):
        detail = (
            f"`gpus` names {len(chosen)} of {len(set(visible))} GPUs that llama.cpp computes on"
        )
        raise CounterMissingError(
            detail, f"name all, or set CUDA_VISIBLE_DEVICES={','.join(chosen)}"
        )
    return tuple(chosen)


def _wanted(name: str, present: tuple[str, ...]) -> str:
    uuid = _match(name, present)
    if uuid is None:
        detail = f"{name!r} names no GPU, or more than one"
        raise CounterMissingError(detail, f"name one of {', '.join(present)}")
    return uuid


def _visible(cuda_visible: str, present: tuple[str, ...]) -> Iterator[str]:
    """Yield the UUIDs up to the first entry that names no GPU."""
    for entry in cuda_visible.split(","):
        name = entry.strip()
        if name.isdecimal():
            uuid = present[int(name)] if int(name) < len(present) else None
        else:
            uuid = _match(name, present)
        if uuid is None:
            return
        yield uuid


def _match(name: str, present: tuple[str, ...]) -> str | None:
    """Return the only UUID that begins with `name`, else None."""
    if name.startswith("MIG-"):
        detail = f"{name} is a MIG instance, and NVML counts the energy of whole GPUs only"
        raise CounterMissingError(detail, "choose a GPU without MIG")
    found = [uuid for uuid in present if name and uuid.startswith(name)]
    return found[0] if len(found) == 1 else None
