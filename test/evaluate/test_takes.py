"""The truth as prediction is right in every column, and a planted error shows in its own."""

import json
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

from chromm_ros.config import ChrommConfig
from chromm_ros.evaluate.main import main
from chromm_ros.evaluate.takes import Tally, judge, window_of
from chromm_ros.evaluate.told import Told
from chromm_ros.geometry import se3
from chromm_ros.geometry.rotation import matrix_from_rotvec
from chromm_ros.model.predictor import Predictor
from chromm_ros.pipeline import Pipeline
from chromm_ros.records import Prediction, Window
from chromm_ros.synthetic.feed import Clip, clip
from chromm_ros.synthetic.finding import to_find
from chromm_ros.synthetic.scene import body
from chromm_ros.synthetic.world.take import TakeOptions

OPTIONS = TakeOptions(views=3, people_min=2, people_max=3, photo=False, rig="room")


class Oracle(Predictor):
    """In the network's place: it says the truth of a clip, deeper by a factor."""

    def __init__(self, moments: Clip, deeper: float = 1.0) -> None:
        self.moments, self.deeper = moments, deeper  # nothing is loaded

    def prepare(self, window: Window) -> Window:  # type: ignore[override]
        return window

    def infer(self, window: Window, keep: bool = False) -> Prediction:  # type: ignore[override]
        """Everybody whom one had to find, in each frame."""
        assert len(window.sets) == len(self.moments) and not keep
        frames = [(t, v) for t in range(len(self.moments)) for v in range(OPTIONS.views)]
        sights = [(f, k) for f, (t, v) in enumerate(frames) for k in np.flatnonzero(to_find(self.moments[t])[v])]
        m = self.moments

        def frame(name: str) -> torch.Tensor:
            return torch.from_numpy(np.stack([getattr(m[t], name)[v] for t, v in frames]).astype(np.float32))

        poses = frame("world_from_cam")
        depth = np.stack([cv2.resize(m[t].depth[v], (56, 42), interpolation=cv2.INTER_NEAREST_EXACT) for t, v in frames])
        heads, turns = [], []
        for f, k in sights:
            t, v = frames[f]
            cam_from_world = se3.inverse(m[t].world_from_cam[v])
            heads.append(se3.apply(cam_from_world, m[t].joints[k, 15:16])[0])
            b = m[t].body
            pose = np.concatenate(
                [b.global_orient[k : k + 1], b.body_pose[k], b.left_hand_pose[k], b.right_hand_pose[k], b.jaw_pose[k : k + 1]]
            )
            rotations = matrix_from_rotvec(pose.astype(np.float64))
            rotations[0] = cam_from_world[:3, :3] @ rotations[0]
            turns.append(rotations)
        ids = np.array([m[frames[f][0]].ids[k] for f, k in sights])
        points = np.zeros((len(frames), 42, 56, 3), np.float32)
        points[..., 2] = depth

        def sight(name: str) -> torch.Tensor:
            return torch.from_numpy(
                np.stack([getattr(m[frames[f][0]], name)[frames[f][1], k] for f, k in sights]).astype(np.float32)
            )

        return Prediction(
            step=torch.tensor([t for t, _ in frames]), view=torch.tensor([v for _, v in frames]),
            image_size=torch.tensor([[224, 168]] * len(frames)), intrinsics=frame("intrinsics"), world_from_cam=poses,
            points=torch.from_numpy(points), confidence=torch.ones(len(frames), 42, 56),
            colors=torch.zeros(len(frames), 42, 56, 3, dtype=torch.uint8), human_mask=torch.zeros(len(frames), 3, 4), metric_scale=1.0,
            person_frame=torch.tensor([f for f, _ in sights]), person_score=torch.ones(len(sights)),
            person_token=torch.from_numpy(8.0 * np.eye(8, dtype=np.float32)[ids % 8]), head_pixel=sight("head_pixel"),
            pelvis_pixel=sight("pelvis_pixel"), head_position=torch.from_numpy(self.deeper * np.stack(heads).astype(np.float32)),
            rotations=torch.from_numpy(np.stack(turns).astype(np.float32)),
            betas=torch.from_numpy(np.stack([m[frames[f][0]].body.betas[k] for f, k in sights])),
            expression=torch.zeros(len(sights), 10),
        )  # fmt: skip  # field by field


@pytest.fixture(scope="module")
def moments() -> Clip:
    return clip(3, OPTIONS, 4, 0.1)


def told(moments: Clip, deeper: float = 1.0) -> dict[str, float]:
    pipeline = Pipeline(ChrommConfig(), predictor=Oracle(moments, deeper), body=body())
    tally = Tally()
    judge(pipeline, moments, Told(), tally)
    return tally.row()


def test_the_truth_has_no_errors(moments: Clip) -> None:
    row = told(moments)
    assert row["head F1"] == row["association"] == row["people F1"] == 1.0
    for name in ("head depth % median", "root deg median", "sight MPJPE mm", "MPJPE mm", "PA-MPJPE mm"):
        assert row[name] < 0.1, name
    assert row["W-MPJPE mm"] < 1.0 and row["scene depth % median"] < 0.01


def test_heads_that_are_too_deep_show_in_depth_and_not_in_pose(moments: Clip) -> None:
    row = told(moments, deeper=1.1)
    assert row["head depth % median"] == pytest.approx(10.0, abs=0.01)
    assert row["sight MPJPE mm"] < 0.1 and row["root deg median"] < 0.1


def test_an_unseen_image_misses_its_people(moments: Clip) -> None:
    blind = Oracle(moments)
    infer = blind.infer

    def half(window: Window, *, keep: bool = False) -> Prediction:
        said = infer(window, keep=keep)
        mine = said.person_frame >= len(said.step) // 2
        person = {name: getattr(said, name)[mine] for name in vars(said) if name.startswith(("person_", "head_", "pelvis_"))}
        return replace(said, **person, **{name: getattr(said, name)[mine] for name in ("rotations", "betas", "expression")})

    blind.infer = half  # type: ignore[method-assign]
    pipeline, tally = Pipeline(ChrommConfig(), predictor=blind, body=body()), Tally()
    judge(pipeline, moments, Told(), tally)
    wanted = [int(to_find(moment).sum()) for moment in moments]
    assert tally.found.tp == sum(wanted[2:]) and tally.found.fn == sum(wanted[:2]) and tally.found.fp == 0


def test_what_is_not_told_is_not_in_the_window(moments: Clip) -> None:
    for intrinsics, poses in ((True, False), (False, False), (True, True)):
        frames = [f for s in window_of(moments, Told(intrinsics, poses)).sets for f in s.frames if f is not None]
        assert len(frames) == 12
        assert all((f.intrinsics is not None) == intrinsics and (f.world_from_cam is not None) == poses for f in frames)
    assert Told(intrinsics=False, poses=False).text == "nothing known" and Told().text == "intrinsics and poses known"


def test_the_command_says_what_computed_and_how_long_it_takes(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "takes.json"
    small = ["--count", "1", "--views", "2", "--steps", "1", "--width", "112", "--clothes", "uniforms", "--known", "poses"]
    assert main(["takes", "--weights", "untrained", *small, "--json", str(file)]) == 0
    text = capsys.readouterr().out
    assert "\nWeights `untrained`, device " in text and "| one scene, 4 views, 1 step, 3 people, warm |" in text
    content = json.loads(file.read_text(), parse_constant=lambda name: pytest.fail(name))
    assert content["weights"] == "untrained" and all(content[name] for name in ("device", "precision", "revision"))
    assert content["runtime"][0]["unit"] == "s" and content["rows"][0]["clothes"] == "uniforms"
