"""`python -m chromm_ros weights`: trained weights, from published files to files of our own; nothing is downloaded unasked."""

import argparse
import sys
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from chromm_ros.weights.catalogue import PUBLISHED, published

if TYPE_CHECKING:
    from chromm_ros.weights.store import Content


def main(argv: list[str]) -> int:
    """Run one of the commands.

    Returns:
        The exit status, 0.

    Raises:
        ChrommError: for whatever is wrong with a file, a name or the network, in one sentence.
    """
    arguments = _parser().parse_args(argv)
    arguments.run(arguments)
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m chromm_ros weights", description=__doc__.replace("`", "") if __doc__ else "")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    add = commands.add_parser("list", help="what is published, with its licence, and what is here")
    add.set_defaults(run=_list)
    add = commands.add_parser("import", help="a published file into our own format, with a card")
    add.add_argument("file", type=Path)
    add.add_argument("--name", default="", help="what to call it (default: the published name)")
    add.set_defaults(run=lambda arguments: _import(arguments.file, arguments.name))
    for name, run, text in (
        ("inspect", _inspect, "card, size and parameters of a file, ours or published"),
        ("verify", _verify, "every name, shape and value of a file, and our own files against their card"),
    ):
        add = commands.add_parser(name, help=text)
        add.add_argument("file", metavar="FILE|NAME")
        add.set_defaults(run=run)
    add = commands.add_parser("fetch", help="download a published file from the Hugging Face hub, then import it")
    add.add_argument("name", help=", ".join(each.name for each in PUBLISHED))
    add.set_defaults(run=_fetch)
    return parser


def _list(_: argparse.Namespace) -> None:
    from chromm_ros.model.weight_files import SHIPPED, weights_folder
    from chromm_ros.weights.store import at_hand, leftovers  # torch, which --help must not load

    here = at_hand()
    sources = {card.source for card in here.values() if not isinstance(card, str)}
    _say("published:")
    for licence in dict.fromkeys(each.licence for each in PUBLISHED):
        files = [each for each in PUBLISHED if each.licence == licence]
        for each in files:
            state = "imported" if each.address in sources else "can be fetched" if each.hub else "download, then import"
            _say(f"  {each.name:22} {each.gigabytes:5.2f} GB  {state:22} {each.address}")
        _say(f"    {licence} ({files[0].licence_address}):", f"    {files[0].allows}")
    for title, folder in (("yours", weights_folder()), ("shipped", SHIPPED)):
        _say(f"{title}, in {folder}:")
        inside = {path: card for path, card in here.items() if path.parent == folder}
        for path, card in inside.items():
            _say(f"  {path.stem:22} {path.stat().st_size / 1e9:5.2f} GB  {card if isinstance(card, str) else card.kind}")
            if not isinstance(card, str) and card.licence:
                _say(f"      {': '.join(filter(None, (card.licence, card.allows)))}")
        if not inside:
            _say("  none")
    for part in leftovers():
        _say(f"left over by an import that was cut off, and removed by the next one: {part}")


def _import(file: Path, name: str = "") -> None:
    from chromm_ros.weights.store import import_published

    path, card = import_published(file.expanduser(), name)
    _say(f"{card.name}: {_size(card.kind, dict(card.config))}")
    _say_card(card.licence, card.allows, card.sha256, card.notes)
    _say(f"it is at {path}; name it in model.{'scene_weights' if card.kind == 'scene' else 'human_weights'}: {card.name}")


def _inspect(arguments: argparse.Namespace) -> None:
    from chromm_ros.weights.store import look_into

    _describe(look_into(arguments.file))


def _verify(arguments: argparse.Namespace) -> None:
    from chromm_ros.weights.progress import sha256_of
    from chromm_ros.weights.store import verify

    content = verify(arguments.file)
    _say(f"{content.path}: {_size(content.kind, asdict(content.config))}")
    if content.card:
        _say("whole: every name and shape fits, every value is finite, and the SHA-256 of the tensors is the card's")
    else:
        _say(
            "published: every name and shape fits and every value is finite; there is no card, so nothing to compare the SHA-256 with"
        )
        _say(f"SHA-256 {sha256_of(content.path)}")


def _fetch(arguments: argparse.Namespace) -> None:
    from chromm_ros.weights.fetch import fetch

    publication = published(arguments.name)
    _say(f"{publication.name}, about {publication.gigabytes} GB, {publication.licence}: {publication.allows}")
    file = fetch(publication)
    _say(f"fetched to {file}, in the hub's own cache, which you may empty after the import")
    _import(file, publication.name)


def _describe(content: "Content") -> None:
    _say(f"{content.path}: {_size(content.kind, asdict(content.config))}")
    types = ", ".join(f"{count:,} {name}" for name, count in content.types.items())
    _say(f"  parameters  {content.parameters:,} ({types})")
    for remark in content.remarks:
        _say(f"  remark      {remark}")
    if content.card is None:
        _say("  card        none: a published file, not imported")
        return
    _say(f"  name        {content.card.name}", f"  source      {content.card.source or 'own training'}")
    _say_card(content.card.licence, content.card.allows, content.card.sha256, content.card.notes)


def _say_card(licence: str, allows: str, sha256: str, notes: str) -> None:
    lines = {
        "licence": licence or "unknown: ask whoever made the file",
        "allows": allows,
        "published SHA-256": sha256,
        "notes": notes,
    }
    for name, text in lines.items():
        if text:
            _say(f"  {name:11} {text}")


def _size(kind: str, config: dict[str, Any]) -> str:
    """The size in words."""
    if kind == "chromm":
        return f"the whole network: {_size('scene', config['scene'])}; {_size('human', config['human'])}"
    if kind == "scene":
        without = "" if config["conditioned"] else ", without its conditioning branch"
        return f"Pi3X, width {config['dim']}, {config['encoder_depth']} + {config['decoder_depth']} blocks{without}"
    return (
        f"Multi-HMR, width {config['dim']}, {config['depth']} blocks, images of {config['image_size']} pixels, "
        f"{config['people_heads']} heads of attention to people, {config['betas']} betas"
    )


def _say(*lines: str) -> None:
    """Lines onto the terminal; a card or a file's name may hold anything, so nothing but our own line ends gets there raw."""
    from chromm_ros.model.checkpoint import printable

    sys.stdout.writelines(f"{printable(line)}\n" for line in lines)
    sys.stdout.flush()
