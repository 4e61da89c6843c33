"""What Hydra makes of conf/ and some words."""

from __future__ import annotations

from hydra import compose, initialize_config_dir
from omegaconf import OmegaConf

from seq2seq.commands.app import CONFIGURATION


def composed(*overrides: str, command: str = "train") -> dict:
    with initialize_config_dir(str(CONFIGURATION), version_base="1.3"):
        return OmegaConf.to_container(compose(command, list(overrides)), resolve=True)


def choices(group: str) -> list[str]:
    return sorted(path.stem for path in (CONFIGURATION / group).glob("*.yaml"))
