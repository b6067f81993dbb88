"""The whole GPU programme: is it correct here, how fast is it, and where does the time go.

One command, which goes on where it stopped; results and a report are written as they come. Without
a CUDA device, or with --rehearse, all stages run with their sizes cut down.

    python3 -m headless run benchmarks/gpu.py                     # all that is still to do
    python3 -m headless run benchmarks/gpu.py --minutes 9         # as much as that
    python3 -m headless run benchmarks/gpu.py steps-flux --again  # these stages, anew
    python3 -m headless run benchmarks/gpu.py --list
"""

from __future__ import annotations

import argparse
import importlib.util
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))

import host
from gpu import report
from gpu.bench import Bench, Skipped
from gpu.results import Results
from gpu.runner import Runner, own_command
from gpu.stages import STAGES, Stage

# Packages of attention backends.
NEEDS = {"flash": "flash_attn", "sage": "sageattention", "xformers": "xformers"}


def main() -> int:
    args = parse()
    if args.list:
        print("\n".join(f"{s.name:<22}{s.part:<21}{s.title}" for s in STAGES))
        return 0
    by_name = {stage.name: stage for stage in STAGES}
    results = Results(args.out / "results.jsonl")
    if args.stage:
        return run_stage(by_name[args.stage], results, args)
    import torch

    rehearse = args.rehearse or not torch.cuda.is_available()
    refuse_other_machine(results, rehearse)
    chosen = [by_name[name] for name in args.stages] or list(STAGES)
    if args.again:
        for stage in chosen:
            results.add(stage=stage.name, again=True)
    options = ["--out", str(args.out), *(["--rehearse"] if rehearse else [])]
    runner = Runner(
        own_command(Path(__file__), *options),
        results,
        lambda: report.write(results, args.out / "report.md"),
        60 * args.minutes,
    )
    try:
        whole = runner.run(chosen)
    except KeyboardInterrupt:
        print("Stopped; the same command goes on from here.")
        return 130
    report.write(results, args.out / "report.md")
    print(f"Report: {args.out / 'report.md'}")
    found = results.stages()
    bad = [s.name for s in chosen if s.name in found and found[s.name].end in ("failed", "crashed")]
    if bad:
        print("Failed: " + ", ".join(bad))
    return 1 if bad else 0 if whole else 3


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    names = [stage.name for stage in STAGES]
    parser.add_argument("stages", nargs="*", metavar="STAGE", help="these only (see --list)")
    parser.add_argument("--out", type=Path, default=host.ROOT / "output" / "gpu", metavar="DIR")
    parser.add_argument("--rehearse", action="store_true", help="sizes cut down, also on a GPU")
    parser.add_argument("--minutes", type=float, default=24 * 60, help="of all stages together")
    parser.add_argument("--again", action="store_true", help="forget what these stages found")
    parser.add_argument("--list", action="store_true", help="name the stages")
    parser.add_argument("--stage", choices=names, help=argparse.SUPPRESS)
    parser.add_argument("--seconds", type=float, default=460.0, help=argparse.SUPPRESS)
    args = parser.parse_args()
    unknown = set(args.stages) - set(names)
    if unknown:
        parser.error(f"no stage {', '.join(sorted(unknown))}; --list names them")
    return args


def refuse_other_machine(results: Results, rehearse: bool) -> None:
    """Figures of two machines, or of cut-down sizes and real ones, must not mix."""
    now, before = report.machine(rehearse), results.machine()
    if before is None:
        results.add(machine=now)
    elif before != now:
        differ = [f"{k} {before.get(k)!r}, now {now[k]!r}" for k in now if before.get(k) != now[k]]
        raise SystemExit(
            f"{results.path} holds results of another set-up ({'; '.join(differ)}). Give another "
            "folder with --out."
        )


def run_stage(stage: Stage, results: Results, args: argparse.Namespace) -> int:
    """In a process of its own: run one stage and say how it ended."""
    started = time.monotonic()
    bench = Bench(stage.name, results, rehearse=args.rehearse, seconds=args.seconds)
    end, why = "passed", ""
    try:
        package = NEEDS.get(stage.attention or "")
        if package and importlib.util.find_spec(package) is None:
            raise Skipped(f"{package} is not installed")  # ComfyUI would end the process
        host.load(backend=stage.attention or "pytorch", cpu=args.rehearse or None)
        stage.function()(bench)
        if bench.unfinished:
            end = "unfinished"
        elif bench.failed:
            end, why = "failed", f"{len(bench.failed)} cells: " + "; ".join(bench.failed[:5])
    except Skipped as reason:
        end, why = "skipped", str(reason)
    seconds = round(time.monotonic() - started, 1)
    results.add(stage=stage.name, end=end, why=why, seconds=seconds)
    print(f"{stage.name}: {end} in {seconds} s  {why}", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
