"""One episode in plain Python: no trainer, no language model, only the environment and its solver.

Run: `python examples/plain_python.py`. What is played is the oracle's repair; put your own agent's text in its place.
"""

import argparse

from lit_grpo.data.splits import Split
from lit_grpo.data.task import TaskSettings, generate_task
from lit_grpo.environment.episodes.actions import Move, render
from lit_grpo.environment.episodes.episode import RepairEpisode
from lit_grpo.environment.episodes.record import EpisodeSettings
from lit_grpo.environment.episodes.scoring import score_episode
from lit_grpo.environment.solver.highs import HighsSolver
from lit_grpo.rewards.components import RewardWeights
from lit_grpo.rewards.composite import composite_reward

parser = argparse.ArgumentParser(description="Play one task and print its score and reward.")
parser.add_argument("--seed", type=int, default=0, help="of the task (%(default)s)")
seed = parser.parse_args().seed

solver, settings = HighsSolver(), EpisodeSettings(max_turns=5)
task = generate_task(TaskSettings(), Split.TRAIN, seed, 0, solver)
episode = RepairEpisode(task.problem, solver, settings)
print(episode.observation)

for edit in task.fault.inverse:
    text = render(Move(edit, task.fault.faulty_elements))
    outcome = episode.step(text)
    print(f"\n> {text}\n{outcome.observation}")

score = score_episode(episode.record(), task.fault, solver)
reward = composite_reward(score, RewardWeights(), settings.max_turns)
print(f"\n{episode.stop_reason}: faithful {score.faithful}, F1 {score.diagnosis.f1:.2f}, reward {reward:.2f}")
