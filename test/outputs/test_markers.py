from collections.abc import Sequence

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from made_results import CountingBody, make_person

from chromm_ros.draw.palette import color_of
from chromm_ros.ros.markers import MarkerHistory, drawn, mesh_markers, skeleton_markers
from chromm_ros.ros.pack import ADD, DELETE, DELETE_ALL, LINE_LIST, TEXT_VIEW_FACING, TRIANGLE_LIST, MarkerData


class Display:
    """What rviz2 does with an array."""

    def __init__(self) -> None:
        self.shown: set[tuple[str, int]] = set()

    def show(self, markers: Sequence[MarkerData]) -> None:
        names = [(marker.ns, marker.id) for marker in markers]
        assert len(set(names)) == len(names), "rviz2 refuses an array with equal names"
        for marker, name in zip(markers, names, strict=True):
            if marker.action == DELETE_ALL:
                self.shown.clear()
            elif marker.action == DELETE:
                assert name in self.shown, "deletes what is not there"
                self.shown.remove(name)
            else:
                self.shown.add(name)


@given(st.lists(st.tuples(st.integers(0, 1), st.sets(st.integers(0, 5))), max_size=12))
def test_a_display_always_shows_who_is_there(story: list[tuple[int, set[int]]]) -> None:
    history, display, epoch = MarkerHistory(), Display(), 0
    for number, (jump, present) in enumerate(story):
        epoch += jump
        array = history.frame(epoch, [MarkerData("mesh", track_id) for track_id in present])
        display.show(array)
        assert display.shown == {("mesh", track_id) for track_id in present}
        clears = [marker for marker in array if marker.action == DELETE_ALL]
        assert len(clears) == (jump == 1 or number == 0), "DELETEALL only at the start and in a new epoch: it makes rviz2 flicker"
        assert not clears or array[0].action == DELETE_ALL


def test_after_a_reset_everything_is_deleted_once() -> None:
    history = MarkerHistory()
    history.frame(3, [MarkerData("mesh", 1)])
    history.reset()
    assert [marker.action for marker in history.frame(3, [MarkerData("mesh", 2)])] == [DELETE_ALL, ADD]
    assert [marker.action for marker in history.frame(3, [MarkerData("mesh", 2)])] == [ADD]


def test_meshes_are_lit_and_of_constant_size() -> None:
    body, people = CountingBody(), [make_person(4), make_person(9)]
    for full, faces in ((True, body.faces), (False, body.display_faces)):
        made = mesh_markers(people, body, full=full)
        for marker, person in zip(made, people, strict=True):
            assert (marker.ns, marker.id, marker.kind) == ("mesh", person.track_id, TRIANGLE_LIST)
            assert marker.color == (*(part / 255 for part in color_of(person.track_id)), 1.0)
            assert marker.points.shape == (3 * len(faces), 3)
            corner = body.vertices(person.body)[-1][faces[1, 2]]
            np.testing.assert_array_equal(marker.points[5], corner)
    assert made[0].color != made[1].color


def test_all_meshes_cost_one_call_of_the_body() -> None:
    body = CountingBody()
    mesh_markers([make_person(1), make_person(2), make_person(3)], body, full=False)
    assert body.asked == 1
    assert mesh_markers([], body, full=False) == []
    assert body.asked == 1


def test_skeletons_join_the_joints() -> None:
    person = make_person(7)
    lines, label = skeleton_markers([person], labels=True)
    assert (lines.ns, lines.kind, label.ns, label.kind) == ("skeleton", LINE_LIST, "label", TEXT_VIEW_FACING)
    assert len(lines.points) % 2 == 0
    joints = {tuple(joint) for joint in person.joints[-1].astype(np.float64).tolist()}
    assert {tuple(point) for point in lines.points.tolist()} <= joints
    assert label.text == "b0007"
    assert skeleton_markers([make_person(7, "occluded")], labels=True)[1].text == "b0007 occluded"
    assert len(skeleton_markers([person], labels=False)) == 1


def test_the_lost_are_not_drawn() -> None:
    people = [make_person(1, "tentative"), make_person(2), make_person(3, "occluded"), make_person(4, "lost")]
    assert [person.track_id for person in drawn(people)] == [1, 2, 3]
