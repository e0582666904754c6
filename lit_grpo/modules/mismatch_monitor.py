"""Watches in every step how far the sampler's log-probs lie from the trainer's: warns, and stops the run, by limits.

Used by modules/grpo.py. It changes no loss: the objective decides what leaves the loss (`mismatch_mask`). Tokens
that the present weights drew are judged: there sampler and trainer should agree up to rounding. Tokens of older weights
also differ by what training has done since, and are measured apart. What to do when it speaks: docs/rollouts.md.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

import lightning.pytorch as pl
from lightning_utilities.core.rank_zero import rank_zero_only
from torch import Tensor

from lit_grpo.dtypes import Dtype
from lit_grpo.losses.mismatch import mismatch_statistics
from lit_grpo.metrics.policy import PolicyMetrics

CHECKPOINT = "mismatch.ckpt"
"""The checkpoint that a stopped run leaves in its folder."""

WARN_EVERY_BATCHES = 100
PRESENT, STALE = "mismatch", "mismatch_stale"
"""Prefixes of the numbers: of tokens that the present weights drew, and of those that older ones did."""

MEANS = tuple(f"{kind}_{name}" for kind in (PRESENT, STALE) for name in ("mean", "kl", "ratio", "square", "outside"))
MEANS += ("mismatch_masked", "mismatch_stale_tokens")
MAXIMA = (f"{PRESENT}_max", f"{STALE}_max")
"""The names of the maxima that `measure` keeps; `MEANS` has those of the means."""

_log = logging.getLogger(__name__)


class SamplerDiffers(RuntimeError):
    """Sampler and trainer differ by more than the limits that stop a run."""


@dataclass(frozen=True, slots=True)
class MismatchLimits:
    """The limits of one step, over all ranks. None: the default of the dtype that sampler and trainer compute in.

    Those defaults are `WARN` and `STOP`.
    """

    mean: float | None = None
    """Mean of |log rho|."""
    max: float | None = None
    """Largest |log rho|."""
    kl: float | None = None
    """KL(sampler, trainer) in nats."""
    effective_share: float | None = None
    """The smallest effective share of the sample."""
    outside: float | None = None
    """Share of tokens with rho outside [0.5, 2]."""
    masked: float | None = None
    """Share of tokens that the objective's mask left out, whichever weights drew them; without a mask it is not
    judged."""

    def or_else(self, default: MismatchLimits) -> dict[str, float]:
        """The limits by name."""
        own = asdict(self)
        return {name: value if own[name] is None else own[name] for name, value in asdict(default).items()}


NEVER = float("inf")
WARN: Mapping[Dtype, MismatchLimits] = {
    "float32": MismatchLimits(1e-3, 0.1, 1e-4, 0.999, 0.0, 0.0),
    "bfloat16": MismatchLimits(0.1, 5.0, 0.02, 0.95, 0.01, 0.0),
}
STOP: Mapping[Dtype, MismatchLimits] = {
    "float32": MismatchLimits(0.05, NEVER, 0.01, 0.95, 0.01, 0.5),
    "bfloat16": MismatchLimits(0.5, NEVER, 0.3, 0.5, 0.2, 0.5),
}
"""Two right engines differ by 1e-6 to 1e-5 per token on average in float32, by 0.05 in bfloat16 (up to 0.34)."""


@dataclass(frozen=True, slots=True)
class MismatchMonitorSettings:
    """When it warns, and when it stops the run."""

    warn: MismatchLimits | None = None
    """The limits beyond which the log warns, once in 100 batches at most. None: all the defaults."""
    stop: MismatchLimits | None = None
    """The limits beyond which the run stops with a checkpoint, its step not taken. None: all the defaults."""

    def warns_beyond(self, dtype: Dtype) -> dict[str, float]:
        """Limits by name."""
        return (self.warn or MismatchLimits()).or_else(WARN[dtype])

    def stops_beyond(self, dtype: Dtype) -> dict[str, float]:
        """Limits by name."""
        return (self.stop or MismatchLimits()).or_else(STOP[dtype])


class MismatchMonitor:
    """Measures, judges, and says what it found."""

    def __init__(self, settings: MismatchMonitorSettings, metrics: PolicyMetrics) -> None:
        """Take ``metrics``, whose announced names include `MEANS` and `MAXIMA`."""
        self.settings, self._metrics = settings, metrics
        self._last_warning: int | None = None
        self.reason: str | None = None
        """Why the run has to stop; the same on every rank."""

    def measure(self, proximal_logprobs: Tensor, sampler_logprobs: Tensor, is_stale: Tensor) -> None:
        """Add tokens, [num_tokens] each; ``is_stale``, bool, on the CPU, marks those that older weights drew."""
        self._metrics.update({"mismatch_stale_tokens": is_stale.double().mean()}, is_stale.numel())
        for kind, chosen in ((PRESENT, ~is_stale), (STALE, is_stale)):
            (places,) = chosen.nonzero(as_tuple=True)
            if not places.numel():
                continue
            places = places.to(sampler_logprobs.device)
            found = mismatch_statistics(proximal_logprobs[places], sampler_logprobs[places])
            means = {
                f"{kind}_mean": found.mean_abs_log_ratio,
                f"{kind}_kl": found.sampler_kl,
                f"{kind}_ratio": found.mean_ratio,
                f"{kind}_square": found.mean_square_ratio,
                f"{kind}_outside": found.share_outside,
            }
            self._metrics.update(means, places.numel(), {f"{kind}_max": found.max_abs_log_ratio})

    def numbers(self) -> dict[str, float]:
        """The numbers of the step so far, over all ranks. Every rank must call it."""
        return with_effective_share(self._metrics.compute())

    def must_stop(self, dtype: Dtype, batch: int) -> bool:
        """Whether what was measured in this step so far is beyond the limits. Every rank must call it."""
        numbers = self.numbers()
        beyond = list(exceeded(numbers, self.settings.stops_beyond(dtype)))
        if beyond:
            self.reason = (
                f"sampler and trainer differ too much in batch {batch} ({dtype}): {'; '.join(beyond)}; all of them: "
                f"{_listed(numbers)}"
            )
        return bool(beyond)

    def warn(self, dtype: Dtype, batch: int) -> dict[str, float]:
        """All numbers of the step; the log warns of those beyond the limits, unless it did lately."""
        numbers = self.numbers()
        if self._last_warning is None or batch - self._last_warning >= WARN_EVERY_BATCHES:
            beyond = list(exceeded(numbers, self.settings.warns_beyond(dtype)))
            if beyond:
                self._last_warning = batch
                rank_zero_only(_log.warning)(
                    f"Sampler and trainer differ in batch {batch} ({dtype}): {'; '.join(beyond)}. Likely: the engine "
                    "computes in another dtype than the policy, or has other weights; `lit-grpo canary` shows it "
                    "without training. If it is understood, raise model.mismatch_monitor.warn. (Said once in "
                    f"{WARN_EVERY_BATCHES} batches.)"
                )
        return numbers

    def stop_if_asked(self, trainer: pl.Trainer) -> None:
        """Save a checkpoint and raise SamplerDiffers if there is a reason, after a batch. Every rank must call it."""
        if self.reason is None:
            return
        checkpoint = Path(trainer.default_root_dir) / CHECKPOINT
        trainer.save_checkpoint(checkpoint)
        raise SamplerDiffers(
            f"{self.reason}. The optimizer step was not taken; the weights from before it are in {checkpoint} (go on "
            "with --ckpt_path). Likely: the engine did not get the weights, samples from another "
            "distribution than the trainer computes (temperature, truncation, chat format), or computes in another "
            "dtype. `lit-grpo canary` with the run's configs shows which, without training; if the difference is "
            "understood, raise model.mismatch_monitor.stop"
        )

    def describe(self, dtype: Dtype) -> str:
        """A line on the limits, for the log at the start of a fit."""
        return (
            f"Mismatch of sampler and trainer in {dtype}: warns beyond {_listed(self.settings.warns_beyond(dtype))}; "
            f"stops beyond {_listed(self.settings.stops_beyond(dtype))}."
        )


def with_effective_share(numbers: Mapping[str, float]) -> dict[str, float]:
    """The numbers, the means of rho and of its square replaced by the effective share of the sample they make."""
    found = dict(numbers)
    for kind in (PRESENT, STALE):
        if f"{kind}_ratio" in found:
            found[f"{kind}_effective_share"] = found.pop(f"{kind}_ratio") ** 2 / found.pop(f"{kind}_square")
    return found


def exceeded(numbers: Mapping[str, float], limits: Mapping[str, float]) -> Iterator[str]:
    """Yield a text for each number that is beyond its limit; what is not a number is beyond any."""
    for name, limit in limits.items():
        value = numbers.get(f"{PRESENT}_{name}")
        if value is None:
            continue
        is_least = name == "effective_share"
        if not (value >= limit if is_least else value <= limit):
            yield f"expected mismatch_{name} of at {'least' if is_least else 'most'} {limit:g}, got {value:.3g}"


def _listed(numbers: Mapping[str, float]) -> str:
    """``mean 0.001, max 0.1``: the mismatch among the numbers of a step, or limits."""
    names = {name: name.removeprefix(f"{PRESENT}_") for name in numbers}
    own = {short: numbers[name] for name, short in names.items() if short in MismatchLimits.__dataclass_fields__}
    return ", ".join(f"{name} {value:.3g}" for name, value in own.items())
