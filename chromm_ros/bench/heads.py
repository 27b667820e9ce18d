"""How far bfloat16 heads move the answers, on real images where the bundled recording is at hand."""

from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from chromm_ros.bench.table import Row, Table
from chromm_ros.bench.windows import Runner, make_window
from chromm_ros.data.bag import BagReader
from chromm_ros.inputs.images import rgb_from_compressed
from chromm_ros.model.chromm import Chromm, ChrommOutput
from chromm_ros.records import Frame, FrameSet, Window

CLIP = Path(__file__).resolve().parents[2] / "test" / "data" / "pose2sim_clip"


def heads_table(network: Chromm, size: str, device: torch.device) -> Table:
    """Everything in bfloat16 with float32 heads, as upstream, against float32; then with bfloat16 heads against float32 heads."""
    if CLIP.exists():
        window, what = recorded_window(CLIP), "all cameras of the bundled recording"
    else:
        window, what = make_window(4, 1, (640, 480)), "noise, for the bundled recording is not at hand"
    exact, upstream = (_see(network, window, device, half=half) for half in (False, True))
    half = _see(network, window, device, half=True, half_heads=True)
    return Table(
        f"Precision of {size} with random weights, one window of {what}",
        "heads_precision: bfloat16 adds the second row to the first",
        "points median %",
        [
            Row("bfloat16 with float32 heads, against float32", deviation(upstream, exact)),
            Row("bfloat16 heads, against float32 heads", deviation(half, upstream)),
        ],
    )


def _see(network: Chromm, window: Window, device: torch.device, *, half: bool, half_heads: bool = False) -> ChrommOutput:
    runner = Runner(network, device, people=0, half=half)
    before, network.scene.half_heads = network.scene.half_heads, half_heads
    try:
        return runner.decode(runner.prepare(window))
    finally:
        network.scene.half_heads = before


def deviation(ours: ChrommOutput, reference: ChrommOutput) -> dict[str, float | None]:
    """Points relative to their distance, rotations as angles, focal lengths relative, the confidence's logit in its own spread."""
    points, true = ours.scene.local_points, reference.scene.local_points
    error = ((points - true).norm(dim=-1) / true.norm(dim=-1)).flatten().double().cpu().numpy()
    confidence, sure = ours.scene.confidence, reference.scene.confidence
    focal, right = ours.intrinsics[:, 0, 0], reference.intrinsics[:, 0, 0]
    return {
        "points median %": 100 * float(np.median(error)),
        "points 99 % %": 100 * float(np.percentile(error, 99)),
        "rotation deg": _largest_angle(ours.scene.world_from_cam[0, :, :3, :3], reference.scene.world_from_cam[0, :, :3, :3]),
        "focal %": 100 * float(((focal - right) / right).abs().max()),
        "confidence, sigma": float((confidence - sure).square().mean().sqrt() / sure.std()),
    }


def _largest_angle(ours: Tensor, reference: Tensor) -> float:
    """Degrees; by the chord, which is exact where angles are small."""
    chord = (ours - reference).double().flatten(1).norm(dim=1) / 8**0.5
    return float(torch.rad2deg(2 * chord.clamp(max=1).asin()).max())


def recorded_window(path: Path) -> Window:
    """The first image of every camera of a recording of compressed images."""
    with BagReader(path) as bag:
        cameras = bag.camera_topics()
        frames = []
        for camera in cameras:
            message = bag.deserialize(next(iter(bag.messages([camera.image]))))
            frames.append(Frame(camera.name, 0, rgb_from_compressed(message)))
    return Window(0, 0, tuple(camera.name for camera in cameras), (FrameSet(0, 0, 0, 0, tuple(frames)),))
