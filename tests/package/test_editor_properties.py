"""The Region Editor's values as browsers, API users and other nodes send them, and spoiled."""

from __future__ import annotations

import json
from typing import Any

import torch
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from random_cases import RAN
from random_files import is_a_sentence, spoiled, texts
from random_plans import drawings
from random_regions import boxes, check_regions, masks
from regional_dit.attention.errors import RegionalError
from regional_dit.nodes.regions.editor import OVERLAPS, USES, RegionEditor
from regional_dit.planner.errors import PlanError
from regional_dit.planner.plan import Plan


@settings(suppress_health_check=[HealthCheck.too_slow])
@example(
    {
        "version": 1.0,
        "global_prompt": "",
        "regions": [
            {
                "high_level": "",
                "box": [0, 0, 1, 1],
                "mask": {"width": 2.0, "height": 1.0, "runs": "1 1"},
            }
        ],
    }
)
@given(drawings())
def test_every_right_drawing_is_read_and_written_back(drawing: dict[str, Any]) -> None:
    RAN["examples"] += 1
    plan = Plan.from_json(json.dumps(drawing))
    assert Plan.from_json(plan.to_json()) == plan
    told = json.loads(plan.to_json())
    for key in drawing.keys() & told.keys() - {"regions"}:
        assert told[key] == drawing[key]
    for written, region in zip(drawing["regions"], told["regions"], strict=True):
        assert all(region.get(key, value or value) == value for key, value in written.items())


latents = st.builds(
    lambda shape, extra: {"samples": torch.zeros(shape), **extra},
    st.one_of(
        st.tuples(st.just(1), st.just(4), st.integers(1, 70), st.integers(1, 70)),
        st.tuples(st.just(1), st.just(4), st.just(3), st.integers(1, 70), st.integers(1, 70)),
    ),
    st.sampled_from([{}, {"downscale_ratio_spacial": 8}, {"downscale_ratio_spacial": 16}]),
)


def shown(**inputs: Any) -> dict[str, Any]:
    """Arguments of the property below, a right drawing but for these."""
    region = {"high_level": "", "box": [0, 0, 1, 1]}
    right = {"version": 1, "global_prompt": "", "regions": [region]}
    values = {"overlap": "front", "use_plan": "never", "long_side_px": 512, "token_px": 16}
    others = dict.fromkeys(("planned", "painted", "found", "latent"))
    return {"drawing": right, **values, **others, **inputs}


@settings(suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
@example(**shown(painted=torch.zeros(1, 0, 4)))
@example(**shown(found=[{"x": 10**400, "y": 0, "width": 1, "height": 1}]))
@given(
    drawing=drawings().flatmap(lambda d: spoiled(d, most=1)),
    overlap=st.sampled_from([*OVERLAPS] * 4 + ["other"]),
    use_plan=st.sampled_from([*USES] * 4 + ["other"]),
    long_side_px=st.integers(8, 256).map(lambda n: 8 * n),
    token_px=st.integers(2, 16).map(lambda n: 4 * n),
    planned=st.none() | drawings(),
    painted=st.none() | masks(),
    found=st.none() | st.lists(boxes, max_size=2),
    latent=st.none() | latents,
)
def test_any_value_is_shown_or_refused(
    drawing: Any,
    overlap: str,
    use_plan: str,
    long_side_px: int,
    token_px: int,
    planned: dict[str, Any] | None,
    painted: torch.Tensor | None,
    found: list[dict[str, Any]] | None,
    latent: dict[str, Any] | None,
) -> None:
    """The check before a run agrees with the run; what the browser is told can come again."""
    RAN["examples"] += 1
    text = json.dumps(drawing)
    said = RegionEditor.validate_inputs(plan_json=text)
    inputs: dict[str, Any] = {
        "overlap": overlap,
        "use_plan": use_plan,
        "long_side_px": long_side_px,
        "token_px": token_px,
        "plan": None if planned is None else Plan.from_json(json.dumps(planned)),
        "latent": latent,
    }
    shapes = {"masks": painted, "boxes": found}
    try:
        done = RegionEditor.execute(**inputs, **shapes, plan_json=text)
    except (RegionalError, PlanError) as error:
        assert is_a_sentence(error)
        assert said is True or isinstance(error, RegionalError) or str(error) == said
        return
    assert said is True
    regions, plan, plan_json, rendered, weights, (framed,), elements = done.args
    assert len(framed) == len(elements) == len(plan.regions)
    check_regions(regions)
    assert rendered.shape == (len(plan.regions), 512, 512) and rendered.isfinite().all()
    assert weights.isfinite().all() and weights.min() >= 0 and weights.max() <= 1
    assert isinstance(done.ui, dict)
    message = json.loads(done.ui["regional_dit_editor"][0])
    assert message["plan"] == plan_json and Plan.from_json(plan_json) == plan
    again = RegionEditor.execute(**inputs, plan_json=plan_json).args
    assert again[1] == plan, "the same plan is not taken a second time"


@given(texts | st.binary(max_size=20).map(lambda data: data.decode("latin-1")))
def test_any_text_is_checked_before_the_run(text: str) -> None:
    RAN["examples"] += 1
    said = RegionEditor.validate_inputs(plan_json=text)
    assert said is True if not text.strip() else isinstance(said, str) and len(said) < 400
