"""What the verb `synth` makes."""

import argparse
from collections.abc import Callable, Sequence

import cv2
import numpy as np

from chromm_ros.data.moment import Moment
from chromm_ros.errors import ConfigError, FileError
from chromm_ros.settings import assignments, merged
from chromm_ros.synthetic.world.crowd import LASTS_S
from chromm_ros.synthetic.world.take import Take, TakeOptions

Say = Callable[[str], None]
_COLORS = cv2.applyColorMap(np.arange(256, dtype=np.uint8).reshape(256, 1), cv2.COLORMAP_HSV)[:, 0, ::-1]


def options(texts: Sequence[str]) -> TakeOptions:
    """The defaults with `KEY=VALUE` texts laid over them.

    Raises:
        ConfigError: for a text that is no assignment, an unknown key or a wrong value.
    """
    return merged(TakeOptions(), assignments(texts, example="views=2"))


def bag(arguments: argparse.Namespace, chosen: TakeOptions, say: Say) -> None:
    """A recording with truth."""
    from chromm_ros.synthetic.recording import record  # rosbags, without which the world is drawn all the same

    _check_time(arguments)
    moments = record(
        arguments.out,
        Take(arguments.seed, chosen),
        start_s=arguments.start,
        seconds=arguments.seconds,
        fps=arguments.fps,
        quality=arguments.quality,
    )
    people = {int(number) for moment in moments for number in moment.ids}
    size = sum(path.stat().st_size for path in arguments.out.iterdir()) / 1e6
    say(f"{arguments.out}: {chosen.views} cameras, {len(people)} people, {arguments.seconds:g} s, {size:.1f} MB")


def scene(arguments: argparse.Namespace, chosen: TakeOptions, say: Say) -> None:
    """Images as PNG, depths as 16-bit PNG in millimetres, people as PNG, and everything true as truth.npz."""
    _check_time(arguments)
    if arguments.out.exists():
        raise FileError(f"'{arguments.out}' exists already: remove it, or name another folder")
    take = Take(arguments.seed, chosen)
    arguments.out.mkdir(parents=True)
    moments = [take.at(arguments.start + k / arguments.fps) for k in range(max(1, round(arguments.seconds * arguments.fps)))]
    for k, moment in enumerate(moments):
        for view in range(len(moment.images)):
            stem = f"{k:04d}_cam{view + 1}"
            cv2.imwrite(str(arguments.out / f"{stem}.png"), moment.images[view][..., ::-1])
            cv2.imwrite(
                str(arguments.out / f"{stem}_depth_mm.png"), np.round(1e3 * moment.depth[view]).clip(0, 65535).astype(np.uint16)
            )
            cv2.imwrite(str(arguments.out / f"{stem}_person.png"), moment.person[view])
        np.savez_compressed(arguments.out / f"{k:04d}_truth.npz", **_truth(moment))  # type: ignore[arg-type]  # its stub lacks arrays by name
    say(f"{arguments.out}: {len(moments)} moments of {chosen.views} cameras, {take.clothes}, cameras: {take.rig_kind}")


def preview(arguments: argparse.Namespace, chosen: TakeOptions, say: Say) -> None:
    """One row for each take: what its cameras see, with people outlined in colours of their own."""
    rows = []
    for seed in range(arguments.seed, arguments.seed + arguments.count):
        moment = Take(seed, chosen).at(0.5 * LASTS_S)
        rows.append(np.concatenate([_outlined(moment, view) for view in range(min(len(moment.images), 6))], axis=1))
    arguments.out.parent.mkdir(parents=True, exist_ok=True)
    cv2.imwrite(str(arguments.out), np.concatenate(rows)[..., ::-1])
    say(f"{arguments.out}: takes {arguments.seed} to {arguments.seed + arguments.count - 1}")


def _check_time(arguments: argparse.Namespace) -> None:
    if not (
        arguments.start >= 0.0
        and arguments.seconds > 0.0
        and arguments.fps > 0.0
        and arguments.start + arguments.seconds <= LASTS_S
    ):
        raise ConfigError(
            f"start {arguments.start:g} s and length {arguments.seconds:g} s at {arguments.fps:g} fps: a take lasts {LASTS_S:g} s, "
            "and lengths and rates are greater than 0"
        )


def _outlined(moment: Moment, view: int) -> np.ndarray:
    image = moment.images[view].copy()
    for k, number in enumerate(moment.ids.tolist()):
        mask = (moment.person[view] == k + 1).astype(np.uint8)
        contours, _ = cv2.findContours(mask, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
        cv2.drawContours(image, contours, -1, _COLORS[(67 * number) % 256].tolist(), 1)
    return np.asarray(image)


def _truth(moment: Moment) -> dict[str, np.ndarray]:
    """Everything but the maps."""
    plain = {name: np.asarray(value) for name, value in vars(moment).items() if name not in {"images", "depth", "person", "body"}}
    return {**plain, **{f"body_{name}": value for name, value in vars(moment.body).items()}}
