"""Heads by the places within their patches, for grids as coarse as nano's: neighbours stay two people, one head stays one."""

from dataclasses import replace

import torch

from chromm_ros.model.config import PATCH, SIZES
from chromm_ros.model.human_branch import Detections, HumanBranch, detect, strongest_around


def heads(score: list[float], image: list[int] | None = None) -> Detections:
    zero = torch.zeros(len(score), dtype=torch.long)
    return Detections(zero if image is None else torch.tensor(image), zero, zero, torch.tensor(score))


def test_a_head_goes_where_a_stronger_one_of_its_image_is_near() -> None:
    pixel = torch.tensor(((0.0, 0.0), (9.0, 0.0), (30.0, 0.0), (0.0, 0.0)))
    assert strongest_around(heads([0.5, 0.9, 0.4, 0.3], [0, 0, 0, 1]), pixel, 10.0).tolist() == [False, True, True, True]
    assert strongest_around(heads([0.5, 0.9, 0.4, 0.3], [0, 0, 0, 1]), pixel, 9.0).tolist() == [True] * 4


def test_of_equals_the_first_stays_and_of_nobody_nobody() -> None:
    assert strongest_around(heads([0.5, 0.5]), torch.zeros(2, 2), 1.0).tolist() == [True, False]
    assert strongest_around(heads([]), torch.zeros(0, 2), 1.0).tolist() == []


def test_neighbours_whose_heads_lie_apart_are_both_found_and_one_head_between_two_patches_once() -> None:
    config = replace(SIZES["tiny"].human, apart=0.7)
    branch = HumanBranch(config)
    side = config.image_size // PATCH
    features = torch.tensor((-9.0, 0.0, 0.0)).repeat(1, side * side, 1)  # logit, offset in x and y
    features[0, [0, 1, 4 * side, 4 * side + 1], 0] = torch.tensor((2.0, 1.0, 2.0, 1.0))
    features[0, 4 * side, 1], features[0, 4 * side + 1, 1] = 0.45, -0.45  # both say: on the border between us
    branch.classifier, branch.offset = Channels(0, 1), Channels(1, 3)  # type: ignore[assignment]  # any module does
    found, pixel = branch.find(features)
    assert list(zip(found.row.tolist(), found.column.tolist(), strict=True)) == [(0, 0), (0, 1), (4, 0)]
    torch.testing.assert_close(pixel[:2], torch.tensor(((7.0, 7.0), (21.0, 7.0))))
    assert detect(branch.scores(features), 0.3, 3).column.tolist() == [0, 0], "whole patches cannot tell them"


class Channels(torch.nn.Module):
    """Some channels of what comes in."""

    def __init__(self, start: int, stop: int) -> None:
        super().__init__()
        self.part = slice(start, stop)

    def forward(self, features: torch.Tensor) -> torch.Tensor:
        return features[..., self.part]
