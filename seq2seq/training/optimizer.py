"""The optimizer: Adam (Kingma & Ba 2015) or AdamW (Loshchilov & Hutter 2019), fused.

Weight decay pulls at matrices only; a bias or a normalisation's gain has no reason to be small.
"""

from __future__ import annotations

import torch
from torch import nn

from seq2seq.settings.training import OptimizerKind, OptimizerSettings


def build_optimizer(model: nn.Module, settings: OptimizerSettings) -> torch.optim.Adam:
    """Tied parameters are held once. The learning rate is set anew before every update."""
    parameters = [parameter for parameter in model.parameters() if parameter.requires_grad]
    groups = [
        {"params": [p for p in parameters if p.dim() >= 2], "weight_decay": settings.weight_decay},
        {"params": [p for p in parameters if p.dim() < 2], "weight_decay": 0.0},
    ]
    kind = {OptimizerKind.ADAM: torch.optim.Adam, OptimizerKind.ADAMW: torch.optim.AdamW}[settings.kind]
    first, second = settings.betas
    return kind([group for group in groups if group["params"]], lr=settings.learning_rate,
                betas=(first, second), eps=settings.epsilon, fused=True)
