"""Peak memory of log-probs (and entropies) and their gradient, against a plain log-softmax, as both sizes grow.

    python scripts/benchmarks/logprobs.py [--device cuda]

Each case runs in a process of its own; what is printed is how far its peak memory rises above what it was before the
call, less the gradients that any method has to return: on the CPU resident memory, which sees all that torch
allocates, on a GPU what torch has allocated there. Seconds are CPU time of one thread, or on a GPU wall clock.
"""

from __future__ import annotations

import argparse
import resource
import subprocess
import sys
import time
from collections.abc import Callable

import torch
from torch import Tensor

from lit_grpo.logprobs import CHUNK_ELEMENTS, token_logprobs, token_logprobs_and_entropies

VOCABULARIES = (32, 512, 4_096, 32_768, 151_936)
BATCHES = (256, 1_024, 4_096)
HIDDEN_SIZE = 32
PLAIN_LIMIT_ELEMENTS = 1 << 28
"""Logits of the plain method at most: 1 GiB each in float32, of which it holds several."""


def plain_logprobs(hidden: Tensor, weight: Tensor, targets: Tensor) -> Tensor:
    """What the chunked method is compared with: all logits at once."""
    return (hidden @ weight.T).log_softmax(dim=1).gather(1, targets[:, None]).squeeze(1)


def with_entropies(hidden: Tensor, weight: Tensor, targets: Tensor) -> Tensor:
    """Log-probs and entropies, added up so that both have a gradient."""
    logprobs, entropies = token_logprobs_and_entropies(hidden, weight, targets)
    return logprobs + entropies


METHODS: dict[str, Callable[[Tensor, Tensor, Tensor], Tensor]] = {
    "chunked": token_logprobs,
    "entropies": with_entropies,
    "plain": plain_logprobs,
}


def peak_mib(device: str) -> float:
    """Highest memory of this process so far, in MiB."""
    if device == "cuda":
        return torch.cuda.max_memory_allocated() / 2**20
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def seconds(device: str) -> float:
    """CPU time, or wall clock after everything that was asked of the GPU."""
    if device == "cuda":
        torch.cuda.synchronize()
        return time.perf_counter()
    return time.process_time()


def measure(method: str, vocabulary: int, num_tokens: int, device: str) -> tuple[float, float]:
    """Extra peak memory in MiB and seconds of one forward and backward pass, in this process."""
    torch.set_num_threads(1)
    hidden = torch.randn(num_tokens, HIDDEN_SIZE, requires_grad=True, device=device)
    weight = torch.randn(vocabulary, HIDDEN_SIZE, requires_grad=True, device=device)
    targets = torch.randint(0, vocabulary, (num_tokens,), device=device)
    METHODS[method](hidden[:2], weight[:4], targets[:2] % 4).sum().backward()
    hidden.grad = weight.grad = None
    before, start = peak_mib(device), seconds(device)
    METHODS[method](hidden, weight, targets).sum().backward()
    took = seconds(device) - start
    gradients_mib = (hidden.numel() + weight.numel()) * 4 / 2**20
    return max(0.0, peak_mib(device) - before - gradients_mib), took


def measured_apart(method: str, vocabulary: int, num_tokens: int, device: str) -> str:
    """The table's cell for one case: extra MiB and seconds."""
    if method == "plain" and vocabulary * num_tokens > PLAIN_LIMIT_ELEMENTS:
        return "not run"
    case = [method, str(vocabulary), str(num_tokens)]
    command = [sys.executable, __file__, "--device", device, "--case", *case]
    mib, took = subprocess.run(command, check=True, capture_output=True, text=True).stdout.split()
    return f"{float(mib):.0f} MiB {float(took):.3f} s"


def main() -> None:
    """Print the table, or measure one case for it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--case", nargs=3, metavar=("METHOD", "VOCABULARY", "TOKENS"), help="measure one case only")
    parser.add_argument("--device", choices=["cpu", "cuda"], default="cpu")
    arguments = parser.parse_args()
    case: list[str] | None = arguments.case
    if case is not None:
        print(*measure(case[0], int(case[1]), int(case[2]), arguments.device))
        return
    print(f"{arguments.device}, hidden {HIDDEN_SIZE}, float32, one chunk of logits is {CHUNK_ELEMENTS * 4 >> 20} MiB")
    print(f"{'vocabulary':>10} {'tokens':>7} {'all logits':>12} {'chunked':>20} {'with entropies':>20} {'plain':>20}")
    for vocabulary in VOCABULARIES:
        for num_tokens in BATCHES:
            cells = " ".join(
                f"{measured_apart(method, vocabulary, num_tokens, arguments.device):>20}" for method in METHODS
            )
            print(f"{vocabulary:>10} {num_tokens:>7} {vocabulary * num_tokens * 4 >> 20:>8} MiB {cells}", flush=True)


if __name__ == "__main__":
    main()
