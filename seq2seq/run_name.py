"""The name of a run that was given none: runs/<corpus>-<cell>-<context>, with the shape before a context that
is not of a translator, and no context where there is none.

Under --multirun the other overrides follow it, so that no two runs share a folder. Hydra knows
them only while it composes, so the name is an interpolation of conf/train.yaml:

    run: ${run_name:${corpus},${cell.kind},${shape},${context.kind}}
"""

from __future__ import annotations

from pathlib import PurePath

_NAMED = ("corpus=", "cell=", "shape=", "context=", "run=")


def register() -> None:
    """Makes `run_name` known to OmegaConf. Call it before the configuration is composed."""
    from omegaconf import OmegaConf

    OmegaConf.register_new_resolver("run_name", _from_hydra, replace=True)


def run_name(corpus: str, cell: str, shape: str, context: str, overrides: list[str] | None = None) -> str:
    """`overrides`: those of this run among several, None for a single run."""
    others = [override for override in sorted(overrides or ()) if not override.startswith(_NAMED)]
    parts = [PurePath(corpus).name, cell, *([] if shape == "n_to_m" else [shape]),
             *([] if context == "none" else [context]), *others]
    return "runs/" + "-".join(part.replace("/", "_") for part in parts)


def _from_hydra(corpus: str, cell: str, shape: str, context: str) -> str:
    from hydra.core.hydra_config import HydraConfig
    from hydra.types import RunMode

    several = HydraConfig.initialized() and HydraConfig.get().mode is RunMode.MULTIRUN
    return run_name(str(corpus), str(cell), str(shape), str(context),
                    list(HydraConfig.get().overrides.task) if several else None)
