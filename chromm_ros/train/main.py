"""`python -m chromm_ros train STAGE`: train one stage, or go on with a run; `train export` makes weights of runs, `train curve` pictures.

Under torchrun (`torchrun --nproc-per-node 8 -m chromm_ros train ...`) the processes share every batch.
"""

import argparse
import sys
from pathlib import Path

EXAMPLES = """examples:
  python -m chromm_ros train scene --out runs/scene --time-limit 60
  python -m chromm_ros train scene --out runs/scene --resume --set ema=0.9995
  python -m chromm_ros train smpl --size full --set start.scene=pi3x --set start.human=multiHMR_896_L --set start.head=multiHMR_896_L \\
      --set data.bedlam=~/bedlam --set data.body_models=~/smplx --precision bfloat16 --out runs/full
  python -m chromm_ros train export --scene runs/scene --human runs/human --out nano.safetensors
  python -m chromm_ros train curve runs/scene runs/human --out curves.png"""


def main(argv: list[str]) -> int:
    """Train, export or draw.

    Returns:
        The exit status, 0.

    Raises:
        ChrommError: for whatever is wrong with options, files or data, in one sentence.
    """
    if argv[:1] == ["export"]:
        _export(argv[1:])
    elif argv[:1] == ["curve"]:
        _curve(argv[1:])
    else:
        _train(argv)
    return 0


def _train(argv: list[str]) -> None:
    arguments = _train_parser().parse_args(argv)
    from chromm_ros.train.begin import Process, train  # torch, which --help must not load

    given = {name: getattr(arguments, name) for name in ("steps", "batch", "lr", "seed", "precision")}
    process = Process(
        device=arguments.device,
        workers=arguments.workers,
        threads=arguments.threads,
        nice=arguments.nice,
        limit_s=60 * arguments.time_limit,
        compile=arguments.compile,
    )
    train(
        arguments.stage,
        arguments.out,
        settings=arguments.set,
        given={name: value for name, value in given.items() if value is not None},
        start={name: value for name, value in (("size", arguments.size), ("weights", arguments.start_from)) if value},
        resume=arguments.resume,
        process=process,
    )


def _train_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m chromm_ros train",
        description="Train one stage. Ctrl-C or SIGTERM end it with a checkpoint; --resume goes on to the same curve.",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    add("stage", metavar="STAGE", help="what to train; a name that does not exist lists them; or export, curve (see below)")
    add("--out", type=Path, required=True, metavar="RUN", help="folder of the run")
    add("--size", default="", help="size of the network (default: nano; on --resume the run's)")
    add(
        "--start-from",
        default="",
        metavar="WEIGHTS",
        help="weights to start from, a file or a name (default: drawn from the seed)",
    )
    add("--resume", action="store_true", help="go on with the run in RUN; what is given beside it replaces what it had")
    add("--steps", type=int, metavar="N", help="steps of the whole run")
    add("--batch", type=int, metavar="N", help="clips of one step, of all processes together")
    add("--lr", type=float, metavar="X", help="learning rate after the warm-up")
    add("--seed", type=int, metavar="N", help="of weights, data and random conditions")
    add("--precision", metavar="P", help="float32, or bfloat16 by autocast")
    add(
        "--set",
        action="append",
        default=[],
        metavar="KEY=VALUE",
        help="any other setting, takes.KEY of takes, data.KEY of other data, start.KEY of the network; an unknown one lists them",
    )
    add("--device", default="auto", help="auto, cpu or cuda:N")
    add(
        "--workers",
        type=int,
        default=1,
        metavar="N",
        help="processes that make data for this one; 0: it does so itself (default: 1)",
    )
    add("--threads", type=int, default=0, metavar="N", help="threads of torch (default: torch's own choice)")
    add("--compile", action="store_true", help="compile the blocks with torch.compile; the first steps take minutes")
    add("--nice", type=int, default=0, metavar="N", help="how far this program steps back behind others, 0 to 19")
    add("--time-limit", type=float, default=float("inf"), metavar="MIN", help="end with a checkpoint after so many minutes")
    return parser


def _export(argv: list[str]) -> None:
    parser = argparse.ArgumentParser(
        prog="python -m chromm_ros train export",
        description="Averaged weights of runs as one file of the whole network, in bfloat16. What no run trained is drawn from the seed.",
    )
    parser.add_argument("run", nargs="?", type=Path, metavar="RUN", help="a run whose network is taken as it is")
    parser.add_argument("--scene", type=Path, metavar="RUN", help="a run whose scene branch is taken")
    parser.add_argument("--human", type=Path, metavar="RUN", help="a run whose human branch and heads are taken")
    parser.add_argument("--out", type=Path, required=True, metavar="FILE", help="the file, .safetensors")
    parser.add_argument("--name", default="", help="what status and logs call the weights (default: the file's name)")
    parser.add_argument("--note", default="", help="a sentence more for the card")
    parser.add_argument("--only", choices=("scene", "human"), help="this branch of RUN alone, for mode compose")
    arguments = parser.parse_args(argv)
    from chromm_ros.train.export import export, export_branch

    file, texts = arguments.out, {"name": arguments.name, "note": arguments.note}
    if arguments.only:
        if not arguments.run or arguments.scene or arguments.human:
            parser.error("--only takes a branch of one RUN")
        card = export_branch(file, arguments.run, arguments.only, **texts)
    else:
        card = export(file, run=arguments.run, scene=arguments.scene, human=arguments.human, **texts)
    sys.stdout.write(f"{file}: {card.name}, {file.stat().st_size / 1e6:.1f} MB\n{card.notes}\n")


def _curve(argv: list[str]) -> None:
    parser = argparse.ArgumentParser(
        prog="python -m chromm_ros train curve", description="Learning curves of runs as one picture."
    )
    parser.add_argument("runs", nargs="+", type=Path, metavar="RUN")
    parser.add_argument("--out", type=Path, default=Path("curves.png"), metavar="FILE", help="(default: curves.png)")
    parser.add_argument(
        "--only", default="", metavar="NAME,NAME", help="quantities (default: the loss and what validations measure)"
    )
    arguments = parser.parse_args(argv)
    from chromm_ros.train.curve import draw_curves

    drawn = draw_curves(arguments.runs, arguments.out, [name for name in arguments.only.split(",") if name])
    sys.stdout.write(f"{arguments.out}: {', '.join(drawn)}\n")
