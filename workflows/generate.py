"""Write all workflows that the pack ships, each as a UI file and as an API file.

    python3 -m headless run workflows/generate.py              # write the files
    python3 -m headless run workflows/generate.py --pictures   # and the pictures beside them
    python3 -m headless run workflows/generate.py --pictures NAME ...   # of these workflows only

This script is their only source: change it, not the files. The pictures are what the workflows
themselves make: the demo's come from the demo model; HunyuanDiT's weights are not at hand here, so
its pictures show the regions and no more, and those of the joint models show the graph.
"""

from __future__ import annotations

import argparse
import json
import shutil
import sys
from collections.abc import Callable, Collection, Iterator
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import Any

from ablation_graphs import ABLATIONS, build_ablation
from blueprint_graphs import BLUEPRINTS, blueprint
from demo_graphs import DEMOS, DRAWINGS, build_demo, build_drawn
from demo_sketch_graphs import DEMO_SKETCHES, build_demo_sketch
from hunyuan_graphs import Hunyuan, build_hunyuan
from joint_graphs import JointRegions, build_joint
from joint_models import FLUX, KLEIN, KREA2, QWEN, SD35, Z_IMAGE
from lora_graphs import LORAS, build_region_loras
from node_schemas import Schemas
from paper_graphs import TwoColumns, build_depth, build_merged, build_sdxl
from region_demo_graphs import REGION_DEMOS, build_region_demo
from region_joint_graphs import BUILD_REGION_JOINT, REGION_JOINT
from simple_graphs import SIMPLE, build_simple
from sketch_graphs import SKETCH_FILE, Sketch, build_sketch
from sketch_picture import write_sketch
from ui_graph import Graph
from video_graphs import BUILD_VIDEO, VIDEOS

FOLDER = Path(__file__).resolve().parent
SUBGRAPHS = FOLDER.parent / "subgraphs"  # where ComfyUI looks for blueprints

# The paper (arXiv 2501.07070) compares with "couple" in two regions, so that one has it.
HUNYUANS = {
    "hunyuan_dit_2_regions": Hunyuan(
        rows=1, columns=2, rule="couple", feather=0.1,
        sentence="a green wall with a wooden shelf on the left and an orange tree outside a tall "
        "window on the right, interior photograph",
    ),
    "hunyuan_dit_4_regions": Hunyuan(
        rows=2, columns=2, rule="rcac",
        sentence="green walls, an orange tree outside, a blue chair and a red chair, interior "
        "photograph",
    ),
    "hunyuan_dit_9_regions": Hunyuan(
        rows=3, columns=3, rule="rcac",
        global_prompt="photograph of a bright study with green walls, a window, two cats, a desk "
        "and two chairs",
        prompts=(
            "green wall with a bookshelf full of old books",
            "tall window, blue sky outside",
            "an orange tree outside, seen through a window",
            "a skinny white cat sitting on a cupboard",
            "a computer monitor on a wooden desk",
            "a fat orange cat lying on a shelf",
            "a blue chair on a wooden floor",
            "a keyboard and a mouse on a wooden desk",
            "a red chair on a wooden floor",
        ),
    ),
}  # fmt: skip

# What the paper compares: progressive depth, the merged prompt, and Couple on SDXL.
COMPARISONS = {
    "hunyuan_dit_progressive_depth": TwoColumns(
        "a small blue glass vase on the left and a round yellow clay teapot on the right, oil "
        "painting",
    ),
    "hunyuan_dit_merged_prompt": TwoColumns(
        "a green wall with a wooden shelf on the left and an orange tree outside a tall window on "
        "the right, interior photograph",
    ),
    "sdxl_couple": TwoColumns(
        "a red fox in the snow on the left and a black cat on a wooden fence on the right, winter "
        "photograph",
    ),
}
BUILD_COMPARISON = {
    "hunyuan_dit_progressive_depth": build_depth,
    "hunyuan_dit_merged_prompt": build_merged,
    "sdxl_couple": build_sdxl,
}

# Joint-attention models, by the rule 'bind'.
JOINT = {
    "flux_2_regions": JointRegions(
        FLUX, 1, 2,
        "an old wooden lighthouse on a cliff on the left and a red sailing boat on rough sea on "
        "the right, oil painting",
        "flux/2_regions",
    ),
    "flux_4_regions": JointRegions(
        FLUX, 2, 2,
        "a blue parrot, a red fox, a white rabbit and a green frog, studio photograph",
        "flux/4_regions",
    ),
    "flux_lora_controlnet": JointRegions(
        FLUX, 1, 2,
        "a knight in silver armour on the left and a queen in a blue dress on the right, "
        "photograph",
        "flux/lora_controlnet", with_lora_and_controlnet=True,
    ),
    "sd35_2_regions": JointRegions(
        SD35, 1, 2,
        "a yellow taxi on a wet street on the left and a red telephone box on the right, night "
        "photograph",
        "sd35/2_regions",
    ),
    "qwen_image_2_regions": JointRegions(
        QWEN, 1, 2,
        "a bowl of green apples on the left and a blue ceramic teapot on the right, still life "
        "photograph",
        "qwen_image/2_regions",
    ),
    "qwen_image_eligen": JointRegions(
        QWEN, 1, 2,
        "a girl in a white dress on the left and a boy in a green coat on the right, photograph",
        "qwen_image/eligen", with_eligen=True,
    ),
    "z_image_2_regions": JointRegions(
        Z_IMAGE, 1, 2,
        "an old fisherman in a yellow raincoat on the left and a lighthouse on the right, "
        "photograph",
        "z_image/2_regions",
    ),
    "flux2_klein_2_regions": JointRegions(
        KLEIN, 1, 2,
        "a glass jar of honey on the left and a loaf of dark bread on the right, photograph",
        "flux2_klein/2_regions",
    ),
    "krea2_2_regions": JointRegions(
        KREA2, 1, 2,
        "a violinist in a black suit on the left and a dancer in a red dress on the right, stage "
        "photograph",
        "krea2/2_regions",
    ),
}  # fmt: skip
SKETCH_PROMPT = (
    "A quiet meadow at sunrise with a white goat, a red wooden barn and a tall green tree, "
    "photograph"
)
SKETCH_LEGEND = "blue -> a white goat\nred -> a red wooden barn\ngreen -> a tall green tree"
SKETCHES = {
    "flux_sketch": Sketch(FLUX, SKETCH_PROMPT, SKETCH_LEGEND, "flux/sketch"),
    "sd35_sketch": Sketch(SD35, SKETCH_PROMPT, SKETCH_LEGEND, "sd35/sketch"),
}

WORKFLOWS: dict[str, Callable[[Schemas], Graph]] = {
    **{name: partial(build_demo, demo=demo) for name, demo in DEMOS.items()},
    **{name: partial(build_demo_sketch, sketch=s) for name, s in DEMO_SKETCHES.items()},
    **{name: partial(build_drawn, drawn=drawn) for name, drawn in DRAWINGS.items()},
    **{name: partial(build_region_loras, setting=s) for name, s in LORAS.items()},
    **{name: partial(build_simple, simple=simple) for name, simple in SIMPLE.items()},
    **{name: partial(build_hunyuan, setting=h) for name, h in HUNYUANS.items()},
    **{name: partial(BUILD_COMPARISON[name], setting=c) for name, c in COMPARISONS.items()},
    **{name: partial(build_joint, setting=j) for name, j in JOINT.items()},
    **{name: partial(build_region_demo, demo=d) for name, d in REGION_DEMOS.items()},
    **{name: partial(BUILD_REGION_JOINT[name], setting=j) for name, j in REGION_JOINT.items()},
    **{name: partial(BUILD_VIDEO[name], setting=v) for name, v in VIDEOS.items()},
    **{name: partial(build_sketch, setting=s) for name, s in SKETCHES.items()},
    **{name: partial(build_ablation, setting=a) for name, a in ABLATIONS.items()},
}


# What older hosts lack. The file is left as it is there.
NEEDS = {"ltx2_2_regions": "LTXAVTextEncoderLoader"}
LTX2_NODES = {
    "nodes_custom_sampler": ("ManualSigmas",),
    "nodes_lt": (
        "EmptyLTXVLatentVideo", "LTXVConditioning", "LTXVConcatAVLatent", "LTXVSeparateAVLatent",
    ),
    "nodes_lt_audio": (
        "LTXAVTextEncoderLoader", "LTXVAudioVAEDecode", "LTXVAudioVAELoader",
        "LTXVEmptyLatentAudio",
    ),
}  # fmt: skip
SIMPLE_GRAPH = "simple_2_regions"  # its picture is that of the app, too


def ui_folder(name: str) -> str:
    """Where a UI file lies: comparisons for the paper's sake are no templates to start from.

    ComfyUI's template browser lists the files of ``workflows/`` itself and of no folder below.
    """
    return "ablations/" if name in ABLATIONS else ""


def load_nodes() -> dict[str, Any]:
    """Node id -> class, of the host and of the pack, as ComfyUI's loader registers them."""
    from comfy_extras import nodes_model_advanced, nodes_preview_any
    from comfy_extras.nodes_canny import Canny
    from comfy_extras.nodes_custom_sampler import (
        CFGGuider,
        KSamplerSelect,
        RandomNoise,
        SamplerCustomAdvanced,
    )
    from comfy_extras.nodes_flux import (
        EmptyFlux2LatentImage,
        Flux2Scheduler,
        FluxGuidance,
        FluxKontextImageScale,
    )
    from comfy_extras.nodes_hunyuan import EmptyHunyuanLatentVideo
    from comfy_extras.nodes_primitive import StringMultiline
    from comfy_extras.nodes_sd3 import EmptySD3LatentImage
    from comfy_extras.nodes_video import CreateVideo, SaveVideo
    from regional_dit.nodes import NODES

    nodes = import_module("nodes")  # ComfyUI's, not this pack's folder of that name
    flux = FluxGuidance, FluxKontextImageScale, EmptyFlux2LatentImage, Flux2Scheduler
    sampling = CFGGuider, KSamplerSelect, RandomNoise, SamplerCustomAdvanced
    video = EmptyHunyuanLatentVideo, CreateVideo, SaveVideo
    newer = (Canny, EmptySD3LatentImage, *flux, *sampling, *video, StringMultiline, *NODES)
    newer += tuple(_ltx2_nodes())
    return {
        **nodes.NODE_CLASS_MAPPINGS,
        **nodes_model_advanced.NODE_CLASS_MAPPINGS,
        **nodes_preview_any.NODE_CLASS_MAPPINGS,
        **{node.GET_SCHEMA().node_id: node for node in newer},
    }


def _ltx2_nodes() -> Iterator[Any]:
    """Those of LTX-2's workflow that this host has."""
    for module, names in LTX2_NODES.items():
        try:
            found = import_module(f"comfy_extras.{module}")
        except ModuleNotFoundError:
            continue
        yield from (getattr(found, name) for name in names if hasattr(found, name))


def load_schemas() -> dict[str, dict[str, Any]]:
    """What /object_info says of ComfyUI's own nodes and of the pack's; the host is loaded."""
    from comfy_extras import nodes_preview_any

    nodes = import_module("nodes")
    names = {**nodes.NODE_DISPLAY_NAME_MAPPINGS, **nodes_preview_any.NODE_DISPLAY_NAME_MAPPINGS}
    schemas = {}
    for name, node in load_nodes().items():
        if hasattr(node, "GET_SCHEMA"):
            schemas[name] = node.GET_NODE_INFO_V1()
            continue
        outputs = node.RETURN_TYPES
        schemas[name] = {
            "input": node.INPUT_TYPES(),
            "output": outputs,
            "output_name": getattr(node, "RETURN_NAMES", outputs),
            "display_name": names.get(name, name),
        }
    return schemas


def is_known(name: str, schemas: Schemas) -> bool:
    """Whether this host has the nodes of a workflow."""
    return name not in NEEDS or NEEDS[name] in schemas


def build_files(schemas: Schemas) -> dict[str, str]:
    """Path below ``workflows/`` -> content, for all workflows whose nodes this host has."""
    files = {}
    for name, build in WORKFLOWS.items():
        if not is_known(name, schemas):
            continue
        graph = build(schemas)
        for path, content in (
            (f"{ui_folder(name)}{name}.json", graph.to_ui(name)),
            (f"api/{name}.json", graph.to_api()),
        ):
            files[path] = json.dumps(content, indent=2, ensure_ascii=False) + "\n"
    return files


def build_blueprints(schemas: Schemas) -> dict[str, str]:
    """File name -> content, for all of ``subgraphs/``."""
    return {
        f"{name}.json": json.dumps(blueprint(name, build(schemas)), indent=2, ensure_ascii=False)
        + "\n"
        for name, build in BLUEPRINTS.items()
    }


def main() -> None:
    """Write the files, and the pictures if they are asked for."""
    parser = argparse.ArgumentParser(description="Write the workflows that the pack ships.")
    parser.add_argument(
        "--pictures",
        nargs="*",
        metavar="NAME",
        help="run the workflows and write their pictures too; of all of them, if none is named",
    )
    options = parser.parse_args()
    unknown = set(options.pictures or ()) - set(WORKFLOWS)
    if unknown:
        parser.error(f"no workflow {', '.join(sorted(unknown))}; there are {', '.join(WORKFLOWS)}")
    sys.path.insert(0, str(FOLDER.parent / "benchmarks"))
    import host

    host.load()
    schemas = load_schemas()
    for path, content in build_files(schemas).items():
        (FOLDER / path).write_text(content, encoding="utf-8")
        sys.stdout.write(f"wrote workflows/{path}\n")
    for path, content in build_blueprints(schemas).items():
        (SUBGRAPHS / path).write_text(content, encoding="utf-8")
        sys.stdout.write(f"wrote subgraphs/{path}\n")
    write_sketch(FOLDER / SKETCH_FILE)
    if options.pictures is not None:
        names = options.pictures or tuple(WORKFLOWS)
        write_pictures([name for name in names if is_known(name, schemas)])


def write_pictures(names: Collection[str]) -> None:
    """Run the workflows of these names, as far as that needs no weights, and write NAME.jpg."""
    import graph_pictures
    import workflow_pictures

    def chosen(*of: str) -> tuple[str, ...]:
        return tuple(name for name in of if name in names)

    workflow_pictures.write_all(
        FOLDER,
        chosen(*DEMOS),
        chosen(*HUNYUANS, *COMPARISONS),
        chosen(*DRAWINGS),
        loras=chosen(*LORAS),
        sketches=chosen(*DEMO_SKETCHES),
    )
    graphs = (*JOINT, *VIDEOS, *SKETCHES, *REGION_DEMOS, *REGION_JOINT, SIMPLE_GRAPH)
    for folder, shown in ((FOLDER, chosen(*graphs)), (FOLDER / "ablations", chosen(*ABLATIONS))):
        if shown:
            graph_pictures.write_graphs(folder, shown, REGION_DEMOS)
    if SIMPLE_GRAPH in names:
        shutil.copy(FOLDER / f"{SIMPLE_GRAPH}.jpg", FOLDER / f"{SIMPLE_GRAPH}.app.jpg")


if __name__ == "__main__":
    main()
