"""A few steps of TRL's GRPOTrainer on generated tasks, one turn each, with the solver's rewards.

Run: `pip install -c constraints.txt -e '.[trl]'`, then `python examples/grpo_with_trl.py --output runs/trl`.
On a CPU, with the tiny base that comes with the repository. docs/other_trainers.md says
what differs from the package's own trainer.
"""

import argparse
from pathlib import Path

from transformers import AutoModelForCausalLM, AutoTokenizer

from lit_grpo.adapters.trl import one_turn_rows, repair_reward
from lit_grpo.data.splits import Split
from lit_grpo.data.task import TaskSettings, generate_task
from lit_grpo.environment.domains.base import ProgramSize
from lit_grpo.environment.episodes.observation import ObservationStyle
from lit_grpo.environment.solver.highs import HighsSolver

parser = argparse.ArgumentParser(description="Train a small model with TRL on one-turn repairs.")
parser.add_argument("--checkpoint", type=Path, default=Path("checkpoints/tiny-base"), help="model and tokenizer")
parser.add_argument("--steps", type=int, default=5, help="of the optimiser (%(default)s)")
parser.add_argument("--output", type=Path, required=True, help="folder of TRL's checkpoints")
arguments = parser.parse_args()

# Below the command line, so that --help needs no TRL.
from datasets import Dataset  # noqa: E402  # pyright: ignore[reportMissingImports]
from trl import GRPOConfig, GRPOTrainer  # noqa: E402  # pyright: ignore[reportMissingImports, reportPrivateImportUsage]

solver = HighsSolver()
settings = TaskSettings(size=ProgramSize.TINY)
tasks = [generate_task(settings, Split.TRAIN, 0, index, solver) for index in range(4 * arguments.steps)]
tokenizer = AutoTokenizer.from_pretrained(arguments.checkpoint, padding_side="left")
trainer = GRPOTrainer(
    model=AutoModelForCausalLM.from_pretrained(arguments.checkpoint),
    processing_class=tokenizer,
    train_dataset=Dataset.from_list(one_turn_rows(tasks, solver, ObservationStyle.COMPACT)),
    reward_funcs=repair_reward(solver, {tokenizer.eos_token_id}),
    args=GRPOConfig(
        output_dir=str(arguments.output),
        use_cpu=True,
        bf16=False,
        max_steps=arguments.steps,
        per_device_train_batch_size=32,
        num_generations=8,
        max_completion_length=48,
        learning_rate=3e-4,
        logging_steps=1,
        report_to="none",
        save_strategy="no",
    ),
)
trainer.train()
