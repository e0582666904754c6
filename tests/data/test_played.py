"""What was played, as `results.json` has it: read back with the level and the wordings; without them it is as ever."""

import json
from pathlib import Path

import pytest

from lit_grpo.data.played import GeneratedTasks, Played
from lit_grpo.data.splits import Split
from lit_grpo.data.task import TaskSettings
from lit_grpo.environment.domains.base import ProgramSize, Wordings
from lit_grpo.environment.episodes.levels import SpecificationLevel
from lit_grpo.environment.episodes.record import EpisodeSettings

RULES = EpisodeSettings(specification=SpecificationLevel.PROSE, view_tokens=2000)


@pytest.mark.parametrize("wordings", list(Wordings))
def test_what_is_written_is_read_back(wordings: Wordings) -> None:
    tasks = GeneratedTasks(TaskSettings(size=ProgramSize.TINY, wordings=wordings), Split.TEST, 3, 8)
    played = Played(tasks, RULES)
    assert Played.from_json(json.loads(json.dumps(played.to_json())), "results.json") == played


def test_results_from_before_there_were_levels() -> None:
    entry = Played(Path("suite"), EpisodeSettings()).to_json()
    del entry["rules"]["specification"]
    assert Played.from_json(entry, "results.json").rules.specification is SpecificationLevel.BESIDE


def test_no_level_is_refused() -> None:
    entry = Played(Path("suite"), EpisodeSettings()).to_json()
    entry["rules"]["specification"] = "verse"
    with pytest.raises(ValueError, match=r"results\.json: expected what was played"):
        Played.from_json(entry, "results.json")
