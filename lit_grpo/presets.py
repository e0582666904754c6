"""Files that come with the project, found by name: presets below ``configs/``, bases below ``checkpoints/``.

Called by the command line for every ``--config``, and by whatever reads a checkpoint. A name is looked up in the
working folder first, then in what was installed, so that a command of the docs works from anywhere.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from difflib import get_close_matches
from pathlib import Path

_PACKAGE = Path(__file__).parent
INSTALLED = next(folder for folder in (_PACKAGE, _PACKAGE.parent) if (folder / "configs").is_dir())
"""Holds ``configs`` and ``checkpoints``: the package where a wheel was installed, otherwise the repository."""
CONFIGS = INSTALLED / "configs"
"""The presets that were installed."""
TINY_BASE = INSTALLED / "checkpoints" / "tiny-base"
"""The pre-trained base that comes with the project."""
SMALL_BASE = INSTALLED / "checkpoints" / "small-base"
"""The base for programs of real size."""

_FLAGS = ("--config", "-c")


def find_preset(name: str) -> Path:
    """The file of a config.

    Args:
        name: A path, or a preset's path below ``configs/``, with or without ``.yaml``.

    Raises:
        FileNotFoundError: There is no such file, here or among those installed; the message names the nearest preset.
    """
    found = next((path for path in _places(name, "configs", (name, f"{name}.yaml")) if path.is_file()), None)
    if found is None:
        nearest = _nearest(name.removeprefix("configs/").removesuffix(".yaml"), _presets())
        raise FileNotFoundError(f"--config: expected a file or a preset's path below configs/, got {name!r}{nearest}")
    return found


def with_preset_paths(arguments: Sequence[str]) -> list[str]:
    """The words of a command line with the name behind each ``--config`` replaced by the path of its file.

    Raises:
        FileNotFoundError: A config is not found.
    """
    words: list[str] = []
    for word in arguments:
        flag, equals, name = word.partition("=")
        if words and words[-1] in _FLAGS:
            words.append(str(find_preset(word)))
        elif equals and flag in _FLAGS:
            words.append(f"{flag}={find_preset(name)}")
        else:
            words.append(word)
    return words


def find_checkpoint(checkpoint: Path) -> Path:
    """The folder of a checkpoint: the path itself if there is one, otherwise the installed one of that name.

    Args:
        checkpoint: A path, or a folder's path below ``checkpoints/``.

    Returns:
        The first folder found; ``checkpoint`` itself if there is none, for its reader to refuse.
    """
    name = checkpoint.as_posix()
    return next((path for path in _places(name, "checkpoints", (name,)) if path.is_dir()), checkpoint)


def nearest_checkpoint(checkpoint: Path) -> str:
    """The end of a message about a checkpoint that is not found: ``; did you mean ...?``, or empty if none is near."""
    return _nearest(checkpoint.as_posix(), {f"checkpoints/{path.name}" for path in _folders("checkpoints")})


def _places(name: str, folder: str, spellings: Sequence[str]) -> Iterator[Path]:
    """The paths where a name may lie, in the order of the search."""
    yield Path(name)
    for place in (Path(), INSTALLED):
        yield from (place / folder / spelling.removeprefix(f"{folder}/") for spelling in spellings)


def _presets() -> set[str]:
    folders = (Path("configs"), CONFIGS)
    return {file.relative_to(f).with_suffix("").as_posix() for f in folders for file in f.rglob("*.yaml")}


def _folders(name: str) -> Iterator[Path]:
    for place in (Path(), INSTALLED):
        yield from (path for path in (place / name).glob("*") if path.is_dir())


def _nearest(asked: str, known: set[str]) -> str:
    close = get_close_matches(asked, sorted(known), n=1, cutoff=0.5)
    return f"; did you mean {close[0]!r}?" if close else ""
