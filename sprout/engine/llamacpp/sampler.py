"""Picks the next token of one request: the likeliest, or by llama.cpp's chain of samplers."""

from dataclasses import dataclass
from typing import Any

from sprout.chat import Sampling
from sprout.engine.llamacpp.library import lib


@dataclass(slots=True)
class Sampler:
    """A chain of samplers; None takes the likeliest token."""

    chain: Any  # llama_sampler_p

    def close(self) -> None:
        """Free the chain."""
        if self.chain is not None:
            lib.llama_sampler_free(self.chain)
            self.chain = None


def open_sampler(sampling: Sampling, seed: int) -> Sampler:
    """Return the sampler of one request; temperature 0 is greedy."""
    if sampling.temperature == 0:
        return Sampler(None)
    chain = lib.llama_sampler_chain_init(lib.llama_sampler_chain_default_params())
    lib.llama_sampler_chain_add(chain, lib.llama_sampler_init_top_k(sampling.top_k))
    lib.llama_sampler_chain_add(chain, lib.llama_sampler_init_top_p(sampling.top_p, 1))
    lib.llama_sampler_chain_add(chain, lib.llama_sampler_init_min_p(sampling.min_p, 1))
    lib.llama_sampler_chain_add(chain, lib.llama_sampler_init_temp(sampling.temperature))
    lib.llama_sampler_chain_add(chain, lib.llama_sampler_init_dist(seed))
    return Sampler(chain)
