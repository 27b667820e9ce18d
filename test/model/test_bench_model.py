"""The bench of the network: what it is asked, what it compares; no time is ever judged."""

from dataclasses import replace
from functools import partial
from itertools import chain, islice, repeat
from types import SimpleNamespace

import pytest
import torch

from chromm_ros.bench import clock, counts
from chromm_ros.bench.counts import agreement
from chromm_ros.bench.flops import Load
from chromm_ros.bench.heads import CLIP, deviation, recorded_window
from chromm_ros.bench.main import report
from chromm_ros.bench.parts import random_network
from chromm_ros.bench.setup import Setup
from chromm_ros.bench.windows import Runner, make_window, slides
from chromm_ros.errors import ConfigError
from chromm_ros.model.chromm import Chromm
from chromm_ros.model.compose import Composed
from chromm_ros.model.config import SIZES

CPU = torch.device("cpu")
OPTIONS = {
    "quick": True, "sizes": "", "shapes": "", "device": "cpu", "precision": "", "compiled": "",
    "scene_pixels": 0, "human_size": 0,
}  # fmt: skip  # as the command line gives them


@pytest.fixture(scope="module")
def network() -> Chromm:
    return random_network(partial(Chromm, SIZES["tiny"]), CPU)


def test_what_is_left_open_fits_a_cpu() -> None:
    setup = Setup.of(OPTIONS | {"shapes": "2x3,1x1"})
    assert (setup.sizes, setup.compiled, setup.shapes) == (("nano",), (False,), ((2, 3), (1, 1)))
    assert setup.load("nano", (2, 3)).frames == 6


@pytest.mark.parametrize(("option", "value"), [("sizes", "huge"), ("shapes", "4"), ("shapes", "0x1"), ("device", "cuda:99")])
def test_what_does_not_exist_is_refused(option: str, value: str) -> None:
    with pytest.raises(ConfigError, match=value):
        Setup.of(OPTIONS | {option: value})


def test_a_disagreement_is_told() -> None:
    assert "agree within 0.40%" in agreement(0.004)
    assert "DEFECT" in agreement(0.011)


class FakeTime:
    """A clock that only calls move: each by what it costs, the last cost over and over."""

    def __init__(self, *costs: float) -> None:
        self.calls, self._now, self._costs = 0, 0.0, chain(costs, repeat(costs[-1]))

    def perf_counter(self) -> float:
        return self._now

    def call(self, *_args: object) -> None:
        self.calls += 1
        self._now += next(self._costs)


@pytest.mark.parametrize(("costs", "calls"), [((15.0, 0.05), 1 + 4), ((15.0, 3.0), 1 + 1), ((0.01, 0.1), 1 + 2)])
def test_the_first_call_is_never_measured(monkeypatch: pytest.MonkeyPatch, costs: tuple[float, float], calls: int) -> None:
    """It may compile for seconds; whatever the second one takes is the cost."""
    fake = FakeTime(*costs)
    monkeypatch.setattr(clock, "time", fake)
    assert clock.cost_of(fake.call, CPU, seconds=0.19).ms == pytest.approx(1e3 * costs[1])
    assert fake.calls == calls


@pytest.mark.parametrize(("second", "calls"), [(0.001, 3 * 11), (0.5, 2)])
def test_a_slow_first_product_is_not_the_peak(monkeypatch: pytest.MonkeyPatch, second: float, calls: int) -> None:
    fake = FakeTime(1.0, second)
    monkeypatch.setattr(clock, "time", fake)
    functions = SimpleNamespace(linear=fake.call)
    tensors = SimpleNamespace(randn=lambda *_sizes, **_kind: None, nn=SimpleNamespace(functional=functions))
    monkeypatch.setattr(clock, "torch", tensors)
    side = 2048 if calls > 2 else 512
    assert clock.matrix_peak(CPU, torch.float32) == pytest.approx(2 * side**3 / second)
    assert fake.calls == calls


@pytest.mark.parametrize(("precision", "kind"), [("float32", torch.float32), ("bfloat16", torch.bfloat16)])
def test_multi_hmr_is_timed_with_weights_held_as_in_the_node(
    monkeypatch: pytest.MonkeyPatch, precision: str, kind: torch.dtype
) -> None:
    made: list[Composed] = []
    monkeypatch.setattr(counts, "random_network", lambda make, device: made.append(random_network(make, device)) or made[0])
    setup = replace(Setup.of(OPTIONS), seconds=0.0)
    assert counts._multi_hmr_ms(SIZES["tiny"].human, Load(1, 1, 1, 2), setup, precision) > 0
    assert {block.attn.qkv.weight.dtype for block in made[0].human.backbone.blocks} == {kind}


def test_the_report_names_torch_and_the_gpus(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda index: f"GPU number {index}")
    machine = report("model", [], quick=True)["machine"]
    assert (machine["torch"], machine["gpus"]) == (torch.__version__, ["GPU number 0", "GPU number 1"])


def test_windows_slide_by_one_step() -> None:
    first, second = islice(slides(2, 3, (64, 48)), 2)
    assert second.sets[:2] == first.sets[1:]
    assert all(a is b for a, b in zip(second.sets[0].frames, first.sets[1].frames, strict=True))
    assert len(second.sets) == 3


def test_kept_features_change_no_answer(network: Chromm) -> None:
    anew, kept = (Runner(network, CPU, people=1, half=False, cached=cached) for cached in (False, True))
    for window in islice(slides(2, 2, (64, 48)), 2):
        ours, reference = (runner.infer(runner.prepare(window)) for runner in (kept, anew))
        torch.testing.assert_close(ours.points, reference.points)
        torch.testing.assert_close(ours.rotations, reference.rotations)
    assert len(ours.person_frame) == 4, "the people that were asked for"


def test_deviations_are_those_that_were_planted(network: Chromm) -> None:
    runner = Runner(network, CPU, people=0, half=False)
    seen = runner.decode(runner.prepare(make_window(1, 1, (64, 48))))
    assert all(value == pytest.approx(0, abs=1e-4) for value in deviation(seen, seen).values())
    angle = torch.tensor(0.1).deg2rad()
    poses = seen.scene.world_from_cam.clone()
    turn = torch.tensor([[angle.cos(), -angle.sin(), 0], [angle.sin(), angle.cos(), 0], [0, 0, 1]])
    poses[..., :3, :3] = turn @ poses[..., :3, :3]
    scene = replace(seen.scene, local_points=1.02 * seen.scene.local_points, world_from_cam=poses)
    moved = deviation(replace(seen, scene=scene, intrinsics=1.01 * seen.intrinsics), seen)
    assert moved["points median %"] == pytest.approx(2, rel=1e-3)
    assert moved["points 99 % %"] == pytest.approx(2, rel=1e-3)
    assert moved["rotation deg"] == pytest.approx(0.1, rel=1e-2)
    assert moved["focal %"] == pytest.approx(1, rel=1e-3)
    assert moved["confidence, sigma"] == 0


def test_the_recording_is_seen_by_all_cameras() -> None:
    window = recorded_window(CLIP)
    assert window.cameras == ("cam01", "cam02", "cam03", "cam04")
    assert all(frame is not None and frame.image.ndim == 3 for frame in window.sets[0].frames)
