# pyright: reportMissingImports=false
"""vLLM itself, in the process of one server: requests in, completions out, one step at a time.

Called by server.py. Keys and values are kept from turn to turn and shared by equal prompts (vLLM's prefix cache), under
a salt with the policy's version: those of old weights are never used again.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from time import perf_counter
from typing import TYPE_CHECKING

from lit_grpo.engines.engine import FinishReason
from lit_grpo.engines.vllm.messages import Completed, Generate
from lit_grpo.engines.vllm.settings import Capacity, ModelSettings

if TYPE_CHECKING:
    from vllm import RequestOutput, SamplingParams
    from vllm.lora.request import LoRARequest
    from vllm.v1.engine.llm_engine import LLMEngine

NO_VERSION = -1
"""The version of a server that no training has given weights."""


class CannotDo(Exception):
    """A request that the server refuses, and why; it goes on serving."""


class VllmCore:
    """One vLLM engine with the weights of one policy version."""

    def __init__(self, model: ModelSettings, capacity: Capacity) -> None:
        """Start vLLM with the checkpoint's weights."""
        _set_environment(capacity)
        self._model, self._capacity = model, capacity
        self._engine = _started(model, capacity)
        self._engine.collective_rpc("prepare_draws")
        self._adapter: LoRARequest | None = None
        self._num_loads = 0
        self._asked: dict[str, Generate] = {}
        self._ended: list[tuple[str, Completed]] = []
        self._loaded: Path | None = None
        self.policy_version = NO_VERSION

    @property
    def max_context_tokens(self) -> int:
        """Most tokens of context and completion together."""
        return self._engine.model_config.max_model_len

    @property
    def vocabulary(self) -> int:
        """The number that token ids are below."""
        return self._engine.model_config.get_vocab_size()

    @property
    def dtype(self) -> str:
        """The dtype of its weights."""
        return self._model.dtype

    @property
    def is_busy(self) -> bool:
        """Whether a step would do anything."""
        return bool(self._asked or self._ended)

    def submit(self, key: str, request: Generate) -> None:
        """Queue a turn; CannotDo if the weights are of another version or it cannot fit."""
        if request.policy_version != self.policy_version or self.policy_version == NO_VERSION:
            raise CannotDo(f"policy version {request.policy_version} was asked for, {self.policy_version} is here")
        needed = len(request.token_ids) + request.sampling.max_completion_tokens
        if needed > self.max_context_tokens or not request.token_ids:
            raise CannotDo(f"a context and completion of {needed} tokens, at most {self.max_context_tokens} fit")
        if not 0 <= min(request.token_ids) <= max(request.token_ids) < self.vocabulary:
            raise CannotDo(f"a token id outside the vocabulary of {self.vocabulary}")
        self._asked[key] = request
        self._add(key, request.token_ids, _drawn(request))

    def step(self) -> list[tuple[str, Completed]]:
        """Run every request in the batch by one token; returns those that ended."""
        if self._asked:
            self._scores_of_step()
        ended, self._ended = self._ended, []
        return ended

    def cancel(self, keys: Sequence[str]) -> None:
        """Forget queued turns."""
        known = [key for key in keys if self._asked.pop(key, None) is not None]
        self._engine.abort_request(known)
        self._ended = [(key, completed) for key, completed in self._ended if key not in keys]

    def score(self, sequences: Sequence[Sequence[int]]) -> tuple[tuple[float, ...], ...]:
        """The model's own log-prob of each token but the first, at temperature 1."""
        longest = max(map(len, sequences), default=0)
        if longest >= self.max_context_tokens or min(map(len, sequences), default=0) < 2:
            raise CannotDo(f"sequences of up to {longest} tokens to score, 2 to {self.max_context_tokens - 1} fit")
        for number, tokens in enumerate(sequences):
            self._add(f"score/{number}", tokens, _scored())
        scores: dict[str, tuple[float, ...]] = {}
        while len(scores) < len(sequences):
            scores |= self._scores_of_step()
        return tuple(scores[f"score/{number}"] for number in range(len(sequences)))

    def load(self, folder: Path, policy_version: int) -> float:
        """Take the weights in a folder, unless they are here already; returns the seconds it took.

        Until it returns the server has no version. It raises CannotDo while turns are sampled.
        """
        if (folder, policy_version) == (self._loaded, self.policy_version):
            return 0.0
        self._require_idle("load weights")
        self.policy_version = NO_VERSION
        started = perf_counter()
        self._engine.reset_prefix_cache()
        if self._model.adapters is None:
            self._engine.collective_rpc("load_policy", args=(str(folder),))
        else:
            self._load_adapter(folder)
        self._num_loads += 1
        self._loaded, self.policy_version = folder, policy_version
        return perf_counter() - started

    def export(self, folder: Path) -> None:
        """Write the weights that its kernels use into files."""
        self._require_idle("export weights")
        self._engine.collective_rpc("export_policy", args=(str(folder),))

    def _load_adapter(self, folder: Path) -> None:
        from vllm.lora.request import LoRARequest

        if self._adapter is not None:
            self._engine.remove_lora(self._adapter.lora_int_id)
        number = self._num_loads + 1
        self._adapter = LoRARequest(f"policy-{number}", number, str(folder))
        if not self._engine.add_lora(self._adapter):
            raise CannotDo(f"vLLM did not take the adapters in {folder}")

    def _add(self, key: str, tokens: Sequence[int], params: SamplingParams) -> None:
        from vllm.inputs.engine import tokens_input

        prompt = tokens_input(list(tokens), cache_salt=f"policy-{self.policy_version}")
        self._engine.add_request(key, prompt, params, lora_request=self._adapter)

    def _scores_of_step(self) -> dict[str, tuple[float, ...]]:
        """Run one step of the engine and return the scores it gave; turns that ended wait in ``_ended``."""
        from vllm import RequestOutput

        scores: dict[str, tuple[float, ...]] = {}
        for output in self._engine.step():
            assert isinstance(output, RequestOutput), output
            if not output.finished:
                continue
            if output.request_id in self._asked:
                asked = self._asked.pop(output.request_id)
                self._ended.append((output.request_id, self._completed(asked, output)))
            else:
                scores[output.request_id] = _scores(output)
        return scores

    def _completed(self, request: Generate, output: RequestOutput) -> Completed:
        (sampled,) = output.outputs
        assert sampled.logprobs is not None
        tokens = tuple(sampled.token_ids)
        of_tokens = [of_token for of_token in sampled.logprobs if of_token is not None]
        logprobs = [of_token[token].logprob for of_token, token in zip(of_tokens, tokens, strict=True)]
        stopped = tokens[-1] in request.stop_ids or tokens[-1] in request.sampling.stop
        return Completed(
            key=request.key,
            token_ids=tokens,
            logprobs=tuple(logprobs),
            finish_reason=FinishReason.STOP if stopped else FinishReason.LENGTH,
            policy_version=self.policy_version,
            cached_tokens=output.num_cached_tokens or 0,
        )

    def _require_idle(self, action: str) -> None:
        if self._asked:
            raise CannotDo(f"asked to {action} while {len(self._asked)} turns are sampled")


def _set_environment(capacity: Capacity) -> None:
    """Set the variables that vLLM reads from the environment when it is imported."""
    os.environ |= {
        # The engine steps in this process, which is a child process itself.
        "VLLM_ENABLE_V1_MULTIPROCESSING": "0",
        "VLLM_CPU_OMP_THREADS_BIND": "nobind",
        "OMP_NUM_THREADS": str(capacity.num_threads),
        # The other model runner takes no logits processors.
        "VLLM_USE_V2_MODEL_RUNNER": "0",
        "VLLM_NO_USAGE_STATS": "1",
        "HF_HUB_OFFLINE": "1",
    }
    os.environ.setdefault("VLLM_LOGGING_LEVEL", "WARNING")
    # It would take precedence over kv_cache_gib.
    os.environ.pop("VLLM_CPU_KVCACHE_SPACE", None)
    if capacity.eager:
        # vLLM compiles a function of its sampler even in eager mode: half a minute before the first token.
        os.environ["TORCHDYNAMO_DISABLE"] = "1"


def _started(model: ModelSettings, capacity: Capacity) -> LLMEngine:
    import torch
    from vllm import EngineArgs
    from vllm.v1.engine.llm_engine import LLMEngine

    torch.set_num_threads(capacity.num_threads)
    adapters = model.adapters
    lora = {}
    if adapters is not None:
        # Without the targets vLLM puts adapters around the head as well, and then fails to score prompts.
        targets = list(adapters.target_modules)
        lora = {
            "enable_lora": True,
            "max_loras": 1,
            "max_lora_rank": model.adapter_room,
            "lora_target_modules": targets,
        }
    arguments = EngineArgs(
        model=str(model.checkpoint),
        skip_tokenizer_init=True,
        dtype=model.dtype,
        # None, vLLM's own default, is the model's; its annotation leaves that out.
        max_model_len=capacity.max_context_tokens,  # pyright: ignore[reportArgumentType]
        max_num_seqs=capacity.max_sequences,
        max_num_batched_tokens=capacity.max_batch_tokens,
        kv_cache_memory_bytes=int(capacity.kv_cache_gib * 2**30),
        block_size=capacity.block_tokens,
        enable_prefix_caching=capacity.prefix_cache,
        tensor_parallel_size=capacity.tensor_parallel_size,
        enforce_eager=capacity.eager,
        # A token's position in its completion is the length of the list that vLLM keeps of it, which runs ahead here.
        async_scheduling=False,
        logprobs_mode="raw_logprobs",
        logits_processors=["lit_grpo.engines.vllm.draws:CounterDraws"],
        worker_extension_cls="lit_grpo.engines.vllm.worker.PolicyWorker",
        disable_log_stats=True,
        seed=0,
        **lora,  # pyright: ignore[reportArgumentType]
    )
    return LLMEngine.from_engine_args(arguments)


def _drawn(request: Generate) -> SamplingParams:
    from vllm import SamplingParams

    from lit_grpo.engines.vllm.draws import SAMPLING, SEED

    return SamplingParams(
        temperature=0.0,
        max_tokens=request.sampling.max_completion_tokens,
        logprobs=0,
        stop_token_ids=sorted({*request.stop_ids, *request.sampling.stop}),
        ignore_eos=True,
        detokenize=False,
        extra_args={SEED: request.seed, SAMPLING: request.sampling},
    )


def _scores(output: RequestOutput) -> tuple[float, ...]:
    """The log-probs of a prompt's tokens, the first left out."""
    assert output.prompt_logprobs is not None
    assert output.prompt_token_ids is not None
    found = zip(output.prompt_logprobs[1:], output.prompt_token_ids[1:], strict=True)
    return tuple(of_token[token].logprob for of_token, token in found if of_token is not None)


def _scored() -> SamplingParams:
    from vllm import SamplingParams

    return SamplingParams(temperature=0.0, max_tokens=1, prompt_logprobs=0, detokenize=False, ignore_eos=True)
