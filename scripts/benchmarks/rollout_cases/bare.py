# pyright: reportMissingImports=false
"""vLLM alone, in a process of its own: ``python scripts/rollout_cases/bare.py SETTINGS TURNS``.

Started by cases.py. For each line that it reads it samples the turns of TURNS, all at once with ``LLM.generate``,
and says how many seconds that took and how many tokens of the contexts it had to run.

With the settings of a server, but vLLM's own sampling, and without a seed for each request: vLLM's own
fail on a CPU as soon as a prompt is run in two portions.
"""

from __future__ import annotations

import json
import os
import sys
import time
from pathlib import Path

from lit_grpo.engines.vllm.settings import ServerSettings


def main() -> None:
    """Serve until standard input ends."""
    settings_file, turns_file = map(Path, sys.argv[1:])
    settings = ServerSettings.from_json(settings_file.read_text(encoding="utf-8"))
    model, capacity = settings.model, settings.capacity
    said = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    os.environ |= {
        "VLLM_ENABLE_V1_MULTIPROCESSING": "0",
        "VLLM_CPU_OMP_THREADS_BIND": "nobind",
        "TORCHDYNAMO_DISABLE": "1",
        "VLLM_LOGGING_LEVEL": "ERROR",
        "VLLM_NO_USAGE_STATS": "1",
        "HF_HUB_OFFLINE": "1",
    }
    import torch
    from vllm import LLM, SamplingParams
    from vllm.inputs import TokensPrompt

    torch.set_num_threads(capacity.num_threads)
    llm = LLM(
        model=str(model.checkpoint),
        skip_tokenizer_init=True,
        dtype=model.dtype,
        enforce_eager=capacity.eager,
        block_size=capacity.block_tokens,
        kv_cache_memory_bytes=int(capacity.kv_cache_gib * 2**30),
        max_num_seqs=capacity.max_sequences,
        max_num_batched_tokens=capacity.max_batch_tokens,
        enable_prefix_caching=capacity.prefix_cache,
    )
    turns = json.loads(turns_file.read_text(encoding="utf-8"))
    prompts = [TokensPrompt(prompt_token_ids=context) for context, _ in turns]
    params = [
        SamplingParams(temperature=1.0, max_tokens=count, logprobs=0, ignore_eos=True, detokenize=False)
        for _, count in turns
    ]
    for _ in sys.stdin:
        llm.reset_prefix_cache()
        started = time.perf_counter()
        outputs = llm.generate(prompts, params, use_tqdm=False)
        seconds = time.perf_counter() - started
        num_run = sum(len(context) for context, _ in turns) - sum(output.num_cached_tokens or 0 for output in outputs)
        print(json.dumps([seconds, num_run]), file=said, flush=True)


if __name__ == "__main__":
    main()
