"""Where the longer text of a joint model is put together."""

from __future__ import annotations

import torch
from regional_dit.attention.calls.call_plan import CallPlan, LayerJob, TextStates
from regional_dit.attention.canvas.split import split_canvas
from regional_dit.attention.canvas.tokens import TokenGrid
from regional_dit.attention.families.joint_text import with_regions
from regional_dit.attention.joint.call import joint_call
from regional_dit.attention.rules import Bind


def test_regional_texts_are_not_fetched_back_from_the_device():
    """The host's context may lie on the CPU. "meta" stands for a device: from it, any copy to the
    CPU raises."""
    grid = TokenGrid(4, 4, 2, 8, 8, 0, 0, 8, 8)
    groups = Bind(0.3, 0.0, 1.0).groups(split_canvas(1, 2), grid, "open")
    texts = tuple(TextStates(r, torch.zeros(1, 3 + r, 8, device="meta")) for r in range(2))
    rows = slice(0, 1)
    plan = CallPlan((rows,), {0: (LayerJob(rows, grid, groups, texts),)})
    call = joint_call(plan, (5,), lambda states: (states.shape[1],))
    longer = with_regions(torch.zeros(1, 5, 8), call)
    assert longer.device.type == "meta" and longer.shape == (1, 3 + 4 + 5, 8)
