"""The contract of versions.

1. What is written beside a policy is read back; a policy that learned another rendering or grammar is refused in one
   line, one of another generator or verdict is not, and weights without the file are a base model.
2. A file that holds no contract is refused in one line.
3. The base that the project ships says what it was made under, and can be read.
4. A policy that is to read specifications at another level than it has learned is warned about in one line.
"""

import json
import warnings
from dataclasses import replace
from pathlib import Path

import pytest

from lit_grpo.data.contract import (
    CONTRACT_FILE,
    CURRENT,
    ContractError,
    demonstration_seed,
    learned_level,
    other_level,
    require_readable_policy,
    write_contract,
)
from lit_grpo.environment.episodes.levels import SpecificationLevel
from lit_grpo.environment.episodes.record import EpisodeSettings
from lit_grpo.fitting.learned_level import warn_of_other_level

TINY_BASE = Path(__file__).parents[2] / "checkpoints" / "tiny-base"


def with_versions(folder: Path, **changed: object) -> Path:
    (folder / CONTRACT_FILE).write_text(json.dumps(CURRENT.to_json() | changed))
    return folder


def test_1_a_policy_of_this_release_is_read(tmp_path: Path) -> None:
    require_readable_policy(tmp_path)
    write_contract(tmp_path)
    require_readable_policy(tmp_path)
    require_readable_policy(with_versions(tmp_path, generator=77, verdict=77))
    require_readable_policy("somebody/some-model")


@pytest.mark.parametrize("name", ["rendering", "grammar"])
def test_1b_other_texts_and_actions_are_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(ContractError) as error:
        require_readable_policy(with_versions(tmp_path, **{name: 77}))
    expected = f"{tmp_path}: expected {name} {CURRENT.to_json()[name]}, got {name} 77; train the policy again, or use "
    assert str(error.value) == expected + "the release that made it"


@pytest.mark.parametrize("text", ["{", "[]", "{}", '{"rendering": 1}', '{"rendering": true}'])
def test_2_what_is_no_contract_is_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / CONTRACT_FILE).write_text(text)
    with pytest.raises(ContractError, match=r"lit_grpo\.json: expected (a JSON object with )?versions") as error:
        require_readable_policy(tmp_path)
    assert "\n" not in str(error.value)


def test_2b_every_version_is_a_whole_number(tmp_path: Path) -> None:
    for name in CURRENT.to_json():
        for value in (0, 1.0, "1", None, True):
            with pytest.raises(ContractError):
                require_readable_policy(with_versions(tmp_path, **{name: value}))


def test_3_the_shipped_base_says_what_it_was_made_under() -> None:
    assert (TINY_BASE / CONTRACT_FILE).is_file()
    require_readable_policy(TINY_BASE)


def test_4_another_level_is_said_in_one_line(tmp_path: Path) -> None:
    for level in SpecificationLevel:
        assert other_level(tmp_path, level) is None, "a base model has learned none"
    write_contract(tmp_path, demonstration_seed=3, level=SpecificationLevel.BESIDE)
    require_readable_policy(tmp_path)
    assert (learned_level(tmp_path), demonstration_seed(tmp_path)) == (SpecificationLevel.BESIDE, 3)
    assert other_level(tmp_path, SpecificationLevel.BESIDE) is None
    assert other_level(tmp_path, SpecificationLevel.PROSE) == (
        f"{tmp_path}: expected a policy that has learned to read specifications at the level PROSE, got one of BESIDE, "
        "which will misread them; set episode.specification to BESIDE, or train it anew"
    )


def test_4b_what_is_no_level_is_refused(tmp_path: Path) -> None:
    with pytest.raises(
        ContractError, match=r"lit_grpo\.json: expected specification of beside, .* got 'verse'; export"
    ):
        learned_level(with_versions(tmp_path, specification="verse"))


def test_4c_it_is_warned_of_where_a_text_is_read(tmp_path: Path) -> None:
    write_contract(tmp_path, level=SpecificationLevel.BESIDE)
    prose = EpisodeSettings(specification=SpecificationLevel.PROSE)
    with pytest.warns(UserWarning, match="at the level PROSE, got one of BESIDE"):
        warn_of_other_level(tmp_path, prose)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        warn_of_other_level(tmp_path, replace(prose, show_specification=False))
        warn_of_other_level(tmp_path, EpisodeSettings())
