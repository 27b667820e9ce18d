"""People as rviz2 markers: meshes, skeletons and labels, and who has to be deleted.

What rviz2 does with them decides their form: a TRIANGLE_LIST is lit only when it has one colour, and is updated in place only
when its number of points stays the same; equal (ns, id) pairs in one array are an error, so DELETEALL has an id of its own.
"""

from collections.abc import Sequence
from dataclasses import fields
from typing import Protocol, runtime_checkable

import numpy as np
from jaxtyping import Float, Int

from chromm_ros.body.skeleton import LIMBS
from chromm_ros.data.outgoing import body_id
from chromm_ros.draw.palette import color_of
from chromm_ros.records import BodyParams, Person
from chromm_ros.ros.pack import DELETE, DELETE_ALL, LINE_LIST, TEXT_VIEW_FACING, TRIANGLE_LIST, MarkerData

_LINE_M = 0.025
_LETTER_M = 0.14
_LABEL_ABOVE_HEAD_M = 0.3
_HEAD = 15


@runtime_checkable
class MeshSource(Protocol):
    """What is asked of a body model (`body.smplx_body.SmplxBody`)."""

    @property
    def faces(self) -> Int[np.ndarray, "M 3"]:
        """Triangles as indices of vertices."""

    @property
    def display_faces(self) -> Int[np.ndarray, "D 3"]:
        """Fewer triangles, for display."""

    def vertices(self, params: BodyParams) -> Float[np.ndarray, "*B V 3"]:
        """Vertices of the bodies, metres."""


class MarkerHistory:
    """What a topic has shown, so that whoever left is deleted by name, and everything once at the start and in a new epoch."""

    def __init__(self) -> None:
        self.reset()

    def reset(self) -> None:
        """Let the next array begin with DELETEALL."""
        self._epoch: int | None = None
        self._shown: set[tuple[str, int]] = set()
        self._clean = False

    def clear(self) -> None:
        """Everything was deleted just now: the next array need not begin with it, whatever its epoch."""
        self.reset()
        self._clean = True

    def frame(self, epoch: int, markers: Sequence[MarkerData]) -> list[MarkerData]:
        """The array to publish: what must go, then `markers`."""
        now = {(marker.ns, marker.id) for marker in markers}
        assert len(now) == len(markers), "two markers have the same name"
        if epoch != self._epoch:
            gone = [] if self._clean else [delete_all()]
        else:
            gone = [MarkerData(ns, number, action=DELETE) for ns, number in sorted(self._shown - now)]
        self._epoch, self._shown, self._clean = epoch, now, False
        return [*gone, *markers]


def delete_all() -> MarkerData:
    """Removes everything that a display shows; its id is no person's, because a pair (ns, id) may appear once in an array."""
    return MarkerData(ns="", id=-1, action=DELETE_ALL)


def drawn(people: Sequence[Person]) -> list[Person]:
    """Who is shown: everybody who is not about to be forgotten."""
    return [person for person in people if person.state != "lost"]


def mesh_markers(people: Sequence[Person], body: MeshSource, *, full: bool) -> list[MarkerData]:
    """One TRIANGLE_LIST per person, always with the same number of points."""
    if not people:
        return []
    faces = (body.faces if full else body.display_faces).reshape(-1)
    vertices = body.vertices(newest_bodies(people)).astype(np.float64)  # (P, V, 3)
    return [
        MarkerData(
            ns="mesh",
            id=person.track_id,
            kind=TRIANGLE_LIST,
            scale=(1.0, 1.0, 1.0),
            color=_color(person),
            points=np.take(vertices[index], faces, axis=0),
        )
        for index, person in enumerate(people)
    ]


def skeleton_markers(people: Sequence[Person], *, labels: bool) -> list[MarkerData]:
    """One LINE_LIST of limbs per person, and the name of the body above its head."""
    limbs = np.asarray(LIMBS).reshape(-1)
    markers = []
    for person in people:
        joints = person.joints[-1].astype(np.float64)
        scale = (_LINE_M, 0.0, 0.0)
        markers.append(
            MarkerData("skeleton", person.track_id, kind=LINE_LIST, scale=scale, color=_color(person), points=joints[limbs])
        )
        if labels:
            markers.append(_label(person, joints))
    return markers


def newest_bodies(people: Sequence[Person]) -> BodyParams:
    """The bodies of the newest step, stacked: leading shape (P,)."""
    return BodyParams(
        **{entry.name: np.stack([getattr(person.body, entry.name)[-1] for person in people]) for entry in fields(BodyParams)}
    )


def _label(person: Person, joints: Float[np.ndarray, "J 3"]) -> MarkerData:
    x, y, z = joints[_HEAD].tolist()
    name = body_id(person.track_id)
    return MarkerData(
        ns="label",
        id=person.track_id,
        kind=TEXT_VIEW_FACING,
        position=(x, y, z + _LABEL_ABOVE_HEAD_M),
        scale=(0.0, 0.0, _LETTER_M),
        color=(1.0, 1.0, 1.0, 1.0),
        text=name if person.state == "tracked" else f"{name} {person.state}",
    )


def _color(person: Person) -> tuple[float, float, float, float]:
    red, green, blue = color_of(person.track_id)
    return red / 255, green / 255, blue / 255, 1.0
