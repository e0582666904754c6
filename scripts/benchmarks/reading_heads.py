"""How well weights read before any training: lines that are found, and slips that a small network sees in them.

Run by hand: `python scripts/benchmarks/reading_heads.py` (about two minutes of one core), after a change of
lit_grpo/experiments/reading_weights.py. Texts are held-out ones of the stages of `lit-grpo base small`.

*Lines*: the share of places in the prompts at which the head that notes lines gives 80 % of its attention to the name
of the place's own line; and of names in moves at which it gives them to the name itself.
*Slips*: the hidden state behind the fixed layers, at the place where a named element is judged, is given to a network
of 64 units, trained on the exercises of half of the programs and read on the other half, and the other way round. The
AUC is how often it ranks an element with a slip above an untouched one.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean

import torch
from torch import Tensor, nn
from transformers import PreTrainedModel

from lit_grpo.data.conversation import ConversationFormat
from lit_grpo.data.dataset import load_conversation
from lit_grpo.data.proofreading import Exercise, Practice, Proofreading
from lit_grpo.experiments.base_model import FOLLOW_UPS, make_base_model
from lit_grpo.experiments.proofreading_stages import Stage
from lit_grpo.experiments.reading import held_out_exercises
from lit_grpo.experiments.reading_weights import NUM_FIXED
from lit_grpo.experiments.small_base import NUM_TOKENIZER_TEXTS, SHAPE, STAGES, names_and_texts
from lit_grpo.modules.policy import load_policy

LINE_LAYER, LINE_HEAD = 1, 0
SURE = 0.8
MARKS = set("*<>#")


@dataclass(frozen=True, slots=True)
class Text:
    """A prompt and the move that names one element of it, to that name."""

    token_ids: tuple[int, ...]
    tokens: tuple[str, ...]
    num_prompt_tokens: int
    has_slip: bool

    def lines(self) -> Iterator[tuple[int, int]]:
        """Each place of the prompt behind the name of its line, that name included, with the place of the name."""
        name: int | None = None
        for place in range(1, self.num_prompt_tokens - 1):
            token = self.tokens[place]
            if name is None and token.strip() and not set(token.strip()) <= MARKS:
                name = place
            if name is not None:
                yield place, name
            if token.endswith("\n"):
                name = None


def texts_of(proofreading: Proofreading, conversation: ConversationFormat) -> Iterator[Text]:
    """One text for each element that is judged."""
    for exercise in proofreading.exercises:
        if exercise.practice is Practice.COPYING:
            continue
        ids = (*proofreading.prompt_ids, *exercise.continuation.token_ids[: _judged(exercise, conversation)])
        tokens = tuple(conversation.decode([token]) for token in ids)
        yield Text(ids, tokens, len(proofreading.prompt_ids), exercise.edit is not None)


def _judged(exercise: Exercise, conversation: ConversationFormat) -> int:
    """The offset of the first token behind the element's name; names have no quotes, grammar has."""
    is_name = ['"' not in conversation.decode([token]) for token in exercise.continuation.token_ids]
    return is_name.index(False, is_name.index(True))


@torch.no_grad()
def found_lines(model: PreTrainedModel, texts: Sequence[Text]) -> tuple[float, float]:
    """The share of places whose line is found, and of names in moves."""
    model.set_attn_implementation("eager")
    places, names = list[float](), list[float]()
    for text in texts:
        weights = model(torch.tensor([text.token_ids]), output_attentions=True).attentions[LINE_LAYER][0, LINE_HEAD]
        places += [float(weights[place, name] > SURE) for place, name in text.lines()]
        names.append(float(weights[-1, -1] > SURE))
    return fmean(places), fmean(names)


@torch.no_grad()
def judged_states(model: PreTrainedModel, texts: Sequence[Text]) -> Tensor:
    """[texts, hidden size]: what the layers that are trained get to see when they judge."""
    states = [model(torch.tensor([text.token_ids]), output_hidden_states=True).hidden_states for text in texts]
    return torch.stack([layers[NUM_FIXED][0, -1] for layers in states])


def slip_scores(states: Tensor, has_slip: Tensor, is_first_half: Tensor) -> Tensor:
    """The score of each state by the network that was trained on the other half, [texts]."""
    scores = torch.zeros(len(states))
    for half in (is_first_half, ~is_first_half):
        mean, deviation = states[half].mean(0), states[half].std(0) + 1e-3
        torch.manual_seed(0)
        network = nn.Sequential(nn.Linear(states.shape[1], 64), nn.GELU(), nn.Dropout(0.3), nn.Linear(64, 1))
        optimizer = torch.optim.AdamW(network.parameters(), lr=3e-3, weight_decay=0.3)
        for _ in range(200):
            loss = nn.functional.binary_cross_entropy_with_logits(
                network((states[half] - mean) / deviation)[:, 0], has_slip[half].float()
            )
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        network.eval()
        with torch.no_grad():
            scores[~half] = network((states[~half] - mean) / deviation)[:, 0]
    return scores


def auc(slipped: Tensor, untouched: Tensor) -> float:
    """How often the first is larger than the second, ties counting half."""
    above = (slipped[:, None] > untouched[None]).float() + 0.5 * (slipped[:, None] == untouched[None]).float()
    return above.mean().item()


def untrained_base() -> Path:
    """A folder with the weights that `lit-grpo base small` begins with."""
    folder = Path(tempfile.mkdtemp()) / "untrained"
    names, texts = names_and_texts(NUM_TOKENIZER_TEXTS, 0)
    make_base_model(folder, [*texts, *FOLLOW_UPS * 50], names, 0, SHAPE)
    return folder


def main() -> None:
    """Print a row for each stage."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--checkpoint", type=Path, help="the weights (default: those that the small base begins with)")
    parser.add_argument("--programs", type=int, default=6, help="of each stage, for lines; default: %(default)s")
    parser.add_argument("--judged-programs", type=int, default=120, help="for slips; default: %(default)s")
    options = parser.parse_args()
    checkpoint = options.checkpoint or untrained_base()
    conversation, model = load_conversation(checkpoint), load_policy(checkpoint).eval().causal_lm

    def programs(stage: Stage, number: int) -> list[list[Text]]:
        exercises = held_out_exercises(stage.tasks, stage.proofreading, conversation, number, seed=7)
        return [list(texts_of(proofreading, conversation)) for proofreading in exercises]

    for stage in STAGES:
        chosen = [text for texts in programs(stage, options.programs) for text in texts[:3]]
        places, names = found_lines(model, chosen)
        print(f"{stage.name:10} lines {places:6.1%}, names in moves {names:6.1%}", flush=True)
    stage = next(stage for stage in STAGES if stage.name == "four_rows")
    numbered = [(i, text) for i, texts in enumerate(programs(stage, options.judged_programs)) for text in texts]
    has_slip = torch.tensor([text.has_slip for _, text in numbered])
    is_first_half = torch.tensor([2 * i < options.judged_programs for i, _ in numbered])
    scores = slip_scores(judged_states(model, [text for _, text in numbered]), has_slip, is_first_half)
    print(f"{stage.name:10} slips, AUC {auc(scores[has_slip], scores[~has_slip]):.2f} of {len(numbered)} elements")


if __name__ == "__main__":
    main()
