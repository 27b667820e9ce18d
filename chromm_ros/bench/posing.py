"""What it costs to pose SMPL-X bodies."""

from collections.abc import Callable
from functools import partial

import torch
from torch import Tensor

from chromm_ros.bench.clock import cost_of
from chromm_ros.bench.table import Row, Table
from chromm_ros.body.smplx_body import SmplxBody
from chromm_ros.model.human_heads import rotations_from_6d


def posing(device: torch.device, seconds: float) -> Table:
    """Joints alone, vertices, and vertices with gradients back to all parameters, for 1, 10 and 50 people."""
    body = SmplxBody.load().to(device)
    rows = []
    for people in (1, 10, 50):
        parameters = _parameters(people, device)
        ways = {"joints": body.pose_joints, "vertices": body.pose_vertices}
        calls = {name: partial(_without_gradients, way, parameters) for name, way in ways.items()}
        calls["vertices, backward"] = partial(_with_gradients, body, parameters)
        rows.append(
            Row(
                f"{people} {'person' if people == 1 else 'people'}",
                {f"{name} ms": cost_of(way, device, seconds / 4).ms for name, way in calls.items()},
            )
        )
    return Table("Posing SMPL-X bodies, the free one", "joints alone touch no vertex", "vertices ms", rows)


def _parameters(people: int, device: torch.device) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Rotations, betas, expression and place of any people; all want gradients."""
    torch.manual_seed(0)
    rotations = rotations_from_6d(torch.randn(people, 55, 6))
    values = (rotations, torch.randn(people, 10), torch.randn(people, 10), torch.randn(people, 3))
    first, second, third, fourth = (value.to(device).requires_grad_() for value in values)
    return first, second, third, fourth


def _without_gradients(way: Callable[..., Tensor], parameters: tuple[Tensor, ...]) -> None:
    with torch.inference_mode():
        way(*parameters)


def _with_gradients(body: SmplxBody, parameters: tuple[Tensor, Tensor, Tensor, Tensor]) -> None:
    body.pose_vertices(*parameters).sum().backward()
