"""`python -m chromm_ros VERB ...`: a table of verbs, each imported only when it is called."""

import importlib
import sys
from typing import NamedTuple

import chromm_ros
from chromm_ros.errors import ChrommError


class Verb(NamedTuple):
    """Where a verb lives, and what it does in one line. Its module has `main(argv: list[str]) -> int`."""

    module: str
    summary: str


VERBS = {
    "demo": Verb("chromm_ros.demo.main", "a recording through the node over ROS 2; results, a table and pictures in out/"),
    "weights": Verb("chromm_ros.weights.main", "list, import, inspect, verify or fetch trained weights, with their licences"),
    "train": Verb("chromm_ros.train.main", "train the network on synthetic takes, export weights of runs, draw learning curves"),
    "synth": Verb("chromm_ros.synthetic.main", "takes of the synthetic world: images, recordings with truth, contact sheets"),
    "convert": Verb("chromm_ros.convert.main", "videos with a calibration, or a sequence of a dataset, as a recording"),
    "eval": Verb("chromm_ros.evaluate.main", "how good weights and settings are, on held-out takes whose truth is known"),
    "bench": Verb("chromm_ros.bench.main", "measure the network (bench model) or the rules of transport and threads (bench ros)"),
}
INTERRUPTED = 130
"""What a shell expects of a program that Ctrl-C ended (128 + SIGINT)."""


def usage() -> str:
    """The help text."""
    width = max(map(len, VERBS))
    lines = [f"  {name:{width}}  {verb.summary}" for name, verb in VERBS.items()]
    return "\n".join(
        [
            "usage: python -m chromm_ros VERB [options]",
            "",
            "Cameras, scene and SMPL-X people from multi-camera video.",
            "",
            *lines,
            "",
            "`python -m chromm_ros VERB --help` tells more; --version prints the version.",
        ]
    )


def main(argv: list[str]) -> int:
    """Run one verb.

    Returns:
        The exit status: 0 well done, 1 a user's error told in one sentence, 2 no such verb, 130 ended by Ctrl-C.
    """
    name = argv[0] if argv else "--help"
    if name in {"-h", "--help"}:
        print(usage())
        return 0
    if name == "--version":
        print(chromm_ros.__version__)
        return 0
    if name not in VERBS:
        print(f"error: there is no verb '{name}', there are {', '.join(VERBS)}: `python -m chromm_ros --help`", file=sys.stderr)
        return 2
    try:
        module = importlib.import_module(VERBS[name].module)
        return int(module.main(argv[1:]))
    except ChrommError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    except ModuleNotFoundError as error:
        package = (error.name or "").partition(".")[0]
        if package in {"", "chromm_ros"}:
            raise
        print(
            f"error: the Python package '{package}' is needed for `{name}` and is not installed: pip install 'chromm_ros[all]'",
            file=sys.stderr,
        )
        return 1
    except KeyboardInterrupt:
        return INTERRUPTED


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
